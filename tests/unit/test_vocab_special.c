/* formats/vocab: special tokens and chat templates. */

#include "formats/base/buf.h"
#include "formats/vocab/vocab_parts.h"
#include "tests/vocabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vocab *special(const char *tokenizer, const char *tokenizer_config,
                             const char *config, bool limit)
{
    json_val *t = tokenizer ? made_json(tokenizer) : NULL;
    json_val *tc = tokenizer_config ? made_json(tokenizer_config) : NULL;
    json_val *c = made_json(config);
    const struct vocab_files f = {.tokenizer = t, .tokenizer_config = tc, .config = c};
    struct vocab *v;
    struct err err;

    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_fill(v, 10, 0, &err), 0);
    assert_int_equal(vocab_read_special(v, &f, limit, &err), 0);
    json_free(t);
    json_free(tc);
    json_free(c);
    return v;
}

#define ADDED                                                                                      \
    "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\"},{\"id\":2,\"content\":\"</s>\"},"            \
    "{\"id\":3,\"content\":\"<t>\"}],"
#define ITEM(t) "{\"SpecialToken\":{\"id\":\"" t "\"}}"
#define SEQ(t)  "{\"Sequence\":{\"id\":\"" t "\"}}"

static void test_vocab_special_template(void **state)
{
    (void)state;
    struct vocab *v = special(
        "{" ADDED
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" ITEM("<s>") "," SEQ(
            "A") "],\"pair\":[" ITEM("<s>") "," SEQ("A") "," ITEM("<s>") "," SEQ("B") "]}}",
        "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\",\"add_bos_token\":false,"
        "\"add_eos_token\":true,\"pad_token\":null}",
        "{\"pad_token_id\":4,\"unk_token_id\":-1,\"eos_token_id\":[7]}", false);

    assert_int_equal(v->bos, 1);
    assert_int_equal(v->eos, 2);
    assert_int_equal(v->pad, 4);
    assert_int_equal(v->unk, -1);
    assert_int_equal(v->add_bos, 1); /* the template's word, not the config's */
    assert_int_equal(v->add_eos, 1);
    assert_int_equal(v->add_sep, 0);
    vocab_free(v);
}

/* A template that ends with another token makes the old eos the end of a turn. */
static void test_vocab_special_displaced(void **state)
{
    (void)state;
    struct vocab *v =
        special("{" ADDED "\"post_processor\":{\"type\":\"Sequence\",\"processors\":["
                "{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":[" SEQ(
                    "A") "," ITEM("<t>") "]}]}}",
                "{\"eos_token\":\"</s>\"}", "{}", false);

    assert_int_equal(v->eos, 3);
    assert_int_equal(v->eot, 2);
    assert_int_equal(v->add_bos, 0);
    assert_int_equal(v->add_eos, 1);
    vocab_free(v);
}

static void test_vocab_special_config_only(void **state)
{
    (void)state;
    struct vocab *v = special(NULL, NULL, "{\"bos_token_id\":11,\"eos_token_id\":2}", true);

    assert_int_equal(v->bos, -1); /* beyond the vocabulary */
    assert_int_equal(v->eos, 2);
    assert_int_equal(v->add_bos, -1);
    vocab_free(v);
}

/* ---- a list of ends ------------------------------------------------------------------ */

/* The ids that end a text, "1 2 3": of a vocabulary of 10 tokens with this eos and eot, read with the
 * files' lists, written as metadata and read again. Freed with free(). */
static char *ends(int32_t eos, int32_t eot, const char *generation, const char *config)
{
    json_val *g = generation ? made_json(generation) : NULL, *c = made_json(config);
    const struct vocab_files f = {.generation = g, .config = c};
    uint32_t own[VOCAB_OWN_ENDS];
    struct meta m = {0};
    struct buf b = {0};
    struct vocab *v, *w;
    const uint32_t *ids;
    struct err err;

    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_fill(v, 10, 0, &err), 0);
    assert_int_equal(vocab_pad(v, &err), 0);
    v->kind = VOCAB_SPM;
    v->eos = eos;
    v->eot = eot;
    assert_int_equal(vocab_read_ends(v, &f, &err), 0);
    assert_int_equal(vocab_to_meta(&m, v, &err), 0);
    assert_int_equal(!meta_get(&m, "pare.tokenizer.eos_token_ids"), !v->n_ends);
    assert_int_equal(vocab_from_meta(&w, &m, &err), 0);
    buf_str(&b, w->n_ends ? "" : "own:");
    const size_t n = vocab_ends(&ids, own, w);
    for (size_t i = 0; i < n; i++)
        buf_fmt(&b, " %d", (int)ids[i]);
    assert_false(b.bad);
    vocab_free(v);
    vocab_free(w);
    meta_release(&m);
    json_free(g);
    json_free(c);
    return b.p;
}

static void assert_ends(const char *want, char *found)
{
    assert_string_equal(found, want);
    free(found);
}

static void test_vocab_ends_order(void **state)
{
    (void)state;
    assert_ends(" 1 7 5", ends(1, -1, "{\"eos_token_id\":[1,7,5]}", "{}"));
    assert_ends("own: 1 7", ends(1, 7, "{\"eos_token_id\":[1,7]}", "{}"));
    assert_ends(" 7 1", ends(1, 7, "{\"eos_token_id\":[7,1]}", "{}")); /* not turned round */
    assert_ends(" 5 1 7", ends(1, -1, "{\"eos_token_id\":[5,1,7]}", "{}"));
    assert_ends(" 1 5 7", ends(1, -1, "{\"eos_token_id\":[5,7]}", "{}")); /* texts end with eos */
}

static void test_vocab_ends_files(void **state)
{
    (void)state;
    assert_ends(" 1 3", ends(1, -1, NULL, "{\"eos_token_id\":[1,3]}"));
    assert_ends(" 1 3", ends(1, -1, NULL, "{\"text_config\":{\"eos_token_id\":[1,3]}}"));
    assert_ends(" 1 2", ends(1, -1, "{\"eos_token_id\":[1,2]}", "{\"eos_token_id\":[1,3]}"));
    assert_ends("own: 1", ends(1, -1, "{\"eos_token_id\":4}", "{\"eos_token_id\":[1,3]}"));
    assert_ends("own: 1", ends(1, -1, "{\"eos_token_id\":[1]}", "{}"));
}

static void test_vocab_ends_broken(void **state)
{
    (void)state;
    assert_ends("own: 1", ends(1, -1, "{\"eos_token_id\":[]}", "{}"));
    assert_ends("own: 1", ends(1, -1, "{\"eos_token_id\":[10,-1,\"7\",1.5,{}]}", "{}"));
    assert_ends(" 1 9", ends(1, -1, "{\"eos_token_id\":[9,9,1e30,9]}", "{}"));
    assert_ends("own:", ends(-1, -1, "{}", "{}"));
    assert_ends(" 9", ends(-1, -1, "{\"eos_token_id\":[9]}", "{}"));
}

/* ---- templates ----------------------------------------------------------------------- */

static void test_vocab_chat_templates(void **state)
{
    (void)state;
    struct vocab *v = special(NULL,
                              "{\"chat_template\":[{\"name\":\"default\",\"template\":\"D\"},"
                              "{\"name\":\"tool use\",\"template\":\"T\"},{\"name\":\"x\"}]}",
                              "{}", false);

    assert_string_equal(v->chat_template, "D");
    assert_int_equal(v->n_templates, 1);
    assert_string_equal(v->templates[0].name, "tool_use");
    assert_string_equal(v->templates[0].text, "T");
    vocab_free(v);
}

static void test_vocab_chat_files(void **state)
{
    static const struct vocab_template extra[] = {
        {"rag",      "R\r\n"},
        {"tool-use", "T"    },
    };
    json_val *none = made_json("{}");
    const struct vocab_files f = {.tokenizer_config = none,
                                  .chat_jinja = "D\r\nd",
                                  .chat_jinja_bytes = 4,
                                  .extra = extra,
                                  .n_extra = 2};
    struct vocab *v;
    struct err err;

    (void)state;
    assert_int_equal(vocab_new(&v, &err), 0);
    assert_int_equal(vocab_read_special(v, &f, false, &err), 0);
    assert_string_equal(v->chat_template, "D\nd");
    assert_int_equal(v->n_templates, 2);
    assert_string_equal(v->templates[0].name, "rag");
    assert_string_equal(v->templates[0].text, "R\n");
    assert_string_equal(v->templates[1].name, "tool_use");
    vocab_free(v);
    json_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vocab_special_template),
        cmocka_unit_test(test_vocab_special_displaced),
        cmocka_unit_test(test_vocab_special_config_only),
        cmocka_unit_test(test_vocab_ends_order),
        cmocka_unit_test(test_vocab_ends_files),
        cmocka_unit_test(test_vocab_ends_broken),
        cmocka_unit_test(test_vocab_chat_templates),
        cmocka_unit_test(test_vocab_chat_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
