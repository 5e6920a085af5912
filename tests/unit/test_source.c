#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/gguf_write.h"
#include "formats/source.h"
#include "tests/tiny.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

#define P "model.layers.0."

static void put(const char *name, const char *text)
{
    assert_int_equal(tiny_put(dir, name, text, strlen(text)), 0);
}

static void put_config(const char *more)
{
    assert_int_equal(tiny_config(dir, more), 0);
}

static void put_weights(size_t skip, struct tiny_tensor extra)
{
    assert_int_equal(tiny_weights(dir, skip, extra), 0);
}

static int make(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pare-source-%ld", (long)getpid());
    return tiny_make(dir);
}

static int sweep(void **state)
{
    (void)state;
    return tiny_remove(dir);
}

static const struct source_opts opts = {.pre = "gpt-2"};

static struct source *opened(const char *path)
{
    struct source *s;
    struct err err = {0};

    if (source_open(&s, path, &opts, &err))
        fail_msg("%s", err.msg);
    return s;
}

/* Refused, with every one of the parts (ends with NULL) in the message. */
static void refuse(int code, const char *const *parts)
{
    struct source *s;
    struct err err = {0};

    assert_int_equal(source_open(&s, dir, &opts, &err), code);
    assert_null(s);
    for (; *parts; parts++)
        if (!strstr(err.msg, *parts))
            fail_msg("\"%s\" does not say \"%s\"", err.msg, *parts);
}

#define REFUSE(code, ...) refuse(code, (const char *const[]){dir, __VA_ARGS__, NULL})

/* ---- checkpoints ------------------------------------------------------------------- */

static void test_source_checkpoint(void **state)
{
    struct source *s = opened(dir);
    const struct source_tensor *q = source_role(s, ROLE_ATTN_Q, 0);
    static const uint8_t order[8] = {0, 2, 1, 3, 4, 6, 5, 7};

    (void)state;
    assert_true(source_is_checkpoint(s));
    assert_string_equal(source_arch(s)->name, "llama");
    assert_int_equal(source_n_tensors(s), TINY_TENSORS);
    assert_string_equal(source_tensor(s, 0)->name, "token_embd.weight");
    assert_null(source_tensor(s, TINY_TENSORS));
    assert_ptr_equal(q, source_find(s, "blk.0.attn_q.weight"));
    assert_string_equal(q->stored, P "self_attn.q_proj.weight");
    assert_int_equal(q->type, DTYPE_BF16);
    assert_int_equal(source_row_len(q), 8);
    assert_int_equal(source_n_rows(q), 8);
    for (uint64_t r = 0; r < 8; r++) /* two halves of a head become pairs */
        assert_int_equal(source_row(q, r, 16)[0], order[r]);
    assert_null(source_role(s, ROLE_OUTPUT, -1));
    assert_null(source_role(s, ROLE_ATTN_Q, 1));
    assert_null(source_find(s, "blk.1.attn_q.weight"));
    assert_int_equal(source_vocab(s)->n_tokens, 4);
    assert_null(meta_get(source_meta(s), "general.file_type"));
    assert_non_null(meta_get(source_meta(s), "llama.block_count"));
    source_free(s);
}

/* A bias is put in order like the rows it belongs to. */
static void test_source_bias(void **state)
{
    static const uint8_t order[4] = {0, 2, 1, 3};

    (void)state;
    put_weights(TINY_TENSORS, (struct tiny_tensor){P "self_attn.k_proj.bias", 4, 0});
    struct source *s = opened(dir);
    const struct source_tensor *b = source_role(s, ROLE_ATTN_K_BIAS, 0);
    assert_non_null(b);
    assert_int_equal(b->change, CHANGE_NONE);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(source_row(b, 0, 8)[2 * i], order[i]);
    source_free(s);
    put_config("\"attention_bias\":true");
    REFUSE(ERR_FORMAT, P "self_attn.q_proj.bias", "missing");
}

/* One shard of F32 zeros. */
static void put_shard(const char *file, const struct tiny_tensor *t, size_t n)
{
    static char bytes[65536];
    size_t len = 8, at = 0;

    memset(bytes, 0, sizeof(bytes));
    bytes[len++] = '{';
    for (size_t i = 0; i < n; i++) {
        const size_t size = (size_t)t[i].rows * (t[i].columns ? t[i].columns : 1) * 4;
        char shape[32];
        (void)snprintf(shape, sizeof(shape), t[i].columns ? "%u,%u" : "%u", t[i].rows,
                       t[i].columns);
        len += (size_t)snprintf(
            bytes + len, sizeof(bytes) - len,
            "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            t[i].name, shape, at, at + size);
        at += size;
    }
    bytes[len++] = '}';
    assert_true(len + at <= sizeof(bytes));
    bytes[0] = (char)((len - 8) & 255);
    bytes[1] = (char)((len - 8) >> 8);
    assert_int_equal(tiny_put(dir, file, bytes, len + at), 0);
}

/* Stacks of a layer follow each other in the order of their rows, though a shard ends
 * between one matrix's experts and the next one's. */
static void test_source_stacks(void **state)
{
    static const char index[] =
        "{\"weight_map\": {\"" P "block_sparse_moe.experts.0.w2.weight\": \"model-1.safetensors\", "
        "\"" P "block_sparse_moe.experts.0.w1.weight\": \"model-2.safetensors\"}}";
    static const struct tiny_tensor first[] = {
        {P "block_sparse_moe.experts.0.w2.weight", 8, 16},
        {P "block_sparse_moe.experts.1.w2.weight", 8, 16},
    };
    static const struct tiny_tensor second[] = {
        {P "block_sparse_moe.experts.0.w1.weight", 16, 8},
        {P "block_sparse_moe.experts.0.w3.weight", 16, 8},
        {P "block_sparse_moe.experts.1.w1.weight", 16, 8},
        {P "block_sparse_moe.experts.1.w3.weight", 16, 8},
        {P "block_sparse_moe.gate.weight",         2,  8},
        {P "input_layernorm.weight",               8,  0},
        {P "post_attention_layernorm.weight",      8,  0},
        {P "self_attn.k_proj.weight",              4,  8},
        {P "self_attn.o_proj.weight",              8,  8},
        {P "self_attn.q_proj.weight",              8,  8},
        {P "self_attn.v_proj.weight",              4,  8},
        {"model.embed_tokens.weight",              4,  8},
        {"model.norm.weight",                      8,  0},
    };
    static const char *const want[] = {"gate", "down", "up"};
    char path[128], name[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/model.safetensors", dir);
    (void)unlink(path);
    put("config.json",
        "{\"architectures\": [\"MixtralForCausalLM\"], \"hidden_size\": 8, \"num_hidden_layers\": "
        "1, "
        "\"intermediate_size\": 16, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, "
        "\"vocab_size\": 4, \"max_position_embeddings\": 16, \"num_local_experts\": 2, "
        "\"num_experts_per_tok\": 1, \"tie_word_embeddings\": true}");
    put("model.safetensors.index.json", index);
    put_shard("model-1.safetensors", first, sizeof(first) / sizeof(first[0]));
    put_shard("model-2.safetensors", second, sizeof(second) / sizeof(second[0]));
    struct source *s = opened(dir);
    size_t at = 0;
    for (size_t i = 0; i < source_n_tensors(s); i++) {
        if (!strstr(source_tensor(s, i)->name, "_exps."))
            continue;
        (void)snprintf(name, sizeof(name), "blk.0.ffn_%s_exps.weight", want[at++ % 3]);
        assert_string_equal(source_tensor(s, i)->name, name);
    }
    assert_int_equal(at, 3);
    source_free(s);
    (void)snprintf(path, sizeof(path), "%s/model.safetensors.index.json", dir);
    (void)unlink(path);
}

static void test_source_refusals(void **state)
{
    (void)state;
    put_weights(2, (struct tiny_tensor){0});
    REFUSE(ERR_FORMAT, P "self_attn.q_proj.weight", "blk.0.attn_q.weight", "missing");
    put_weights(TINY_TENSORS, (struct tiny_tensor){"model.layers.0.mlp.extra.weight", 1, 0});
    REFUSE(ERR_UNSUPPORTED, "model.safetensors", "model.layers.0.mlp.extra.weight", "llama");
    put_weights(TINY_TENSORS, (struct tiny_tensor){"model.layers.1.mlp.up_proj.weight", 12, 8});
    REFUSE(ERR_FORMAT, "model.layers.1.mlp.up_proj.weight", "1 layers");
    put_weights(4, (struct tiny_tensor){P "self_attn.v_proj.weight", 8, 4});
    REFUSE(ERR_FORMAT, P "self_attn.v_proj.weight", "[4, 8]", "[8, 4]");
    put_weights(4, (struct tiny_tensor){P "self_attn.v_proj.weight", 32, 0});
    REFUSE(ERR_FORMAT, "[4, 8]", "[32]");
    put_weights(TINY_TENSORS, (struct tiny_tensor){0});
    put_config("\"tie_word_embeddings2\":0,\"head_dim\":8");
    REFUSE(ERR_FORMAT, "k_proj.weight", "[8, 8]", "[4, 8]");
    put_config("\"num_hidden_layerz\":0,\"hidden_act\":\"sine\"");
    REFUSE(ERR_UNSUPPORTED, "config.json", "hidden_act", "sine");
    put("config.json", "{\"architectures\":[\"X\"]}");
    REFUSE(ERR_UNSUPPORTED, "config.json", "\"X\"");
    put("config.json", "{}");
    REFUSE(ERR_FORMAT, "config.json", "architectures");
}

/* The head: required when untied, kept when it is there. */
static void test_source_head(void **state)
{
    static const char untied[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":8,\"num_attention_heads\":2,"
        "\"num_key_value_heads\":1,\"intermediate_size\":12,\"num_hidden_layers\":1,"
        "\"vocab_size\":4}";

    (void)state;
    put("config.json", untied);
    REFUSE(ERR_FORMAT, "lm_head.weight", "missing");
    put_config("");
    put_weights(TINY_TENSORS, (struct tiny_tensor){"lm_head.weight", 4, 8});
    struct source *s = opened(dir);
    assert_non_null(source_role(s, ROLE_OUTPUT, -1));
    source_free(s);
}

/* Layers that config.json only claims cost no memory. */
static void test_source_claims(void **state)
{
    static const char many[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":8,\"num_attention_heads\":2,"
        "\"num_key_value_heads\":1,\"intermediate_size\":12,\"num_hidden_layers\":4294967295,"
        "\"vocab_size\":4,\"tie_word_embeddings\":true}";

    (void)state;
    put("config.json", many);
    REFUSE(ERR_FORMAT, "num_hidden_layers: 4294967295 layers", "only 11 tensors");
}

/* The first tensor of llama3 scaling is made, and old buffers are skipped. */
static void test_source_made(void **state)
{
    (void)state;
    put_config("\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
               "\"high_freq_factor\":4,\"original_max_position_embeddings\":64}");
    put_weights(TINY_TENSORS, (struct tiny_tensor){P "self_attn.rotary_emb.inv_freq", 2, 0});
    struct source *s = opened(dir);
    const struct source_tensor *t = source_tensor(s, 0);
    assert_int_equal(source_n_tensors(s), TINY_TENSORS + 1);
    assert_string_equal(t->name, "rope_freqs.weight");
    assert_int_equal(t->type, DTYPE_F32);
    assert_int_equal(t->dims[0], 2);
    assert_int_equal(t->part->bytes, 8);
    source_free(s);
}

static void digest(char hex[HASH_HEX_BYTES], int threads)
{
    const struct par par = par_init(threads);
    static const struct log log;
    struct source *s = opened(dir);
    struct err err;

    assert_int_equal(source_sha256(hex, s, &par, &log, &err), 0);
    source_free(s);
}

/* Threads do not change the digest; a byte does, a tensor too. */
static void test_source_sha256(void **state)
{
    char a[HASH_HEX_BYTES], b[HASH_HEX_BYTES], path[128];
    uint8_t bytes[8192];
    struct map m;
    struct err err;

    (void)state;
    digest(a, 1);
    digest(b, 2);
    assert_string_equal(a, b);
    (void)snprintf(path, sizeof(path), "%s/model.safetensors", dir);
    assert_int_equal(map_open(&m, path, &err), 0);
    assert_true(m.size <= sizeof(bytes));
    memcpy(bytes, m.data, m.size);
    bytes[m.size - 1] ^= 1;
    const size_t n = m.size;
    map_release(&m);
    assert_int_equal(tiny_put(dir, "model.safetensors", bytes, n), 0);
    digest(b, 2);
    assert_string_not_equal(a, b);
    put_weights(TINY_TENSORS, (struct tiny_tensor){"lm_head.weight", 4, 8});
    digest(b, 2);
    assert_string_not_equal(a, b);
}

/* ---- GGUF ----------------------------------------------------------------------------- */

static void gguf_path(char path[256])
{
    (void)snprintf(path, 256, "%s/m.gguf", dir);
}

/* The checkpoint above as a GGUF, its own bytes where nothing is permuted. */
static void put_gguf(const struct source *s, const struct meta *meta, size_t n)
{
    struct gguf_item item[32];
    struct gguf_writer *w;
    char path[256];
    struct err err = {0};

    gguf_path(path);
    assert_true(n <= 32);
    for (size_t i = 0; i < n; i++) {
        const struct source_tensor *t = source_tensor(s, i);
        item[i] = (struct gguf_item){.name = t->name, .type = t->type, .n_dims = t->n_dims};
        memcpy(item[i].dims, t->dims, sizeof(t->dims));
    }
    assert_int_equal(gguf_writer_new(&w, path, meta, item, n, 0, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(gguf_writer_put(w, source_tensor(s, i)->part->data,
                                         source_tensor(s, i)->part->bytes, &err),
                         0);
    assert_int_equal(gguf_writer_commit(w, &err), 0);
    gguf_writer_free(w);
}

static void test_source_gguf(void **state)
{
    struct source *c = opened(dir);
    struct meta meta = {0};
    struct source *s;
    char path[256];
    struct err err = {0};

    (void)state;
    gguf_path(path);
    put_gguf(c, source_meta(c), TINY_TENSORS);
    s = opened(path);
    assert_false(source_is_checkpoint(s));
    assert_string_equal(source_arch(s)->name, "llama");
    assert_int_equal(source_n_tensors(s), TINY_TENSORS);
    assert_int_equal(source_role(s, ROLE_FFN_DOWN, 0)->dims[0], 12);
    assert_int_equal(source_vocab(s)->n_tokens, 4);
    source_free(s);

    /* the last tensor is not there */
    put_gguf(c, source_meta(c), TINY_TENSORS - 1);
    assert_int_equal(source_open(&s, path, &opts, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "output_norm.weight is missing"));

    /* a family nobody knows opens without roles and vocabulary */
    assert_int_equal(meta_set_str(&meta, "general.architecture", "nobody", &err), 0);
    put_gguf(c, &meta, TINY_TENSORS);
    s = opened(path);
    assert_null(source_arch(s));
    assert_null(source_params(s));
    assert_null(source_vocab(s));
    assert_null(source_role(s, ROLE_FFN_DOWN, 0));
    assert_int_equal(source_n_tensors(s), TINY_TENSORS);
    source_free(s);

    /* metadata that disagrees with the tensors */
    for (size_t i = 0; i < source_meta(c)->n; i++)
        assert_int_equal(meta_set_kv(&meta, &source_meta(c)->kv[i], &err), 0);
    assert_int_equal(meta_set_u32(&meta, "llama.feed_forward_length", 16, &err), 0);
    put_gguf(c, &meta, TINY_TENSORS);
    assert_int_equal(source_open(&s, path, &opts, &err), ERR_FORMAT);
    assert_non_null(strstr(err.msg, "expected shape [16, 8], found [12, 8]"));
    meta_release(&meta);
    source_free(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, sweep)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_source_checkpoint), CASE(test_source_bias),   CASE(test_source_refusals),
        CASE(test_source_head),       CASE(test_source_claims), CASE(test_source_made),
        CASE(test_source_sha256),     CASE(test_source_gguf),   CASE(test_source_stacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
