/* tokenizer.model: a SentencePiece ModelProto, parsed as a protobuf by hand.
 * Source: sentencepiece_model.proto; protobuf's wire format. */

#include "formats/base/rd.h"
#include "formats/vocab/vocab_parts.h"

#include <stdlib.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A field: its number and whichever value its wire type has. */
struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value; /* WIRE_VARINT, WIRE_64, WIRE_32 */
    struct rd sub;  /* WIRE_BYTES */
};

static uint64_t varint(struct rd *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t b = rd_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    r->bad = true;
    return 0;
}

/* false at the end of the message, or when it is broken (then r->bad). */
static bool field_next(struct field *f, struct rd *r)
{
    if (r->bad || !rd_left(r))
        return false;
    const uint64_t tag = varint(r);
    *f = (struct field){.number = tag >> 3, .wire = (enum wire)(tag & 7)};
    switch (f->wire) {
    case WIRE_VARINT:
        f->value = varint(r);
        break;
    case WIRE_64:
        f->value = rd_u64(r);
        break;
    case WIRE_32:
        f->value = rd_u32(r);
        break;
    case WIRE_BYTES: {
        const uint64_t n = varint(r);
        const uint8_t *p = rd_bytes(r, n);
        f->sub = rd_init(p ? p : r->end, p ? (size_t)n : 0);
        break;
    }
    default: /* groups are not used by this message */
        r->bad = true;
    }
    return !r->bad;
}

enum {
    MODEL_PIECE = 1,
    MODEL_TRAINER = 2,
    MODEL_NORMALIZER = 3,
    TRAINER_TYPE = 3,
    TYPE_UNIGRAM = 1,
    TYPE_BPE = 2,
    NORM_CHARSMAP = 2,
    NORM_PREFIX = 3,
    NORM_EXTRA = 4
};

/* What is said of the whole model; the defaults are the proto's. */
struct spec {
    uint64_t type;
    bool prefix, no_extra; /* add_dummy_prefix, remove_extra_whitespaces */
    struct rd charsmap;
};

struct piece {
    const char *text;
    size_t n;
    float score;
    enum vocab_type type;
};

/* SentencePiece's own numbers of types are GGUF's; its user-defined pieces are
 * normal ones to the reference. */
static enum vocab_type piece_type(uint64_t v)
{
    switch (v) {
    case VOCAB_UNKNOWN:
    case VOCAB_CONTROL:
    case VOCAB_UNUSED:
    case VOCAB_BYTE:
        return (enum vocab_type)v;
    default:
        return VOCAB_NORMAL;
    }
}

static bool piece_read(struct piece *out, struct rd r)
{
    struct field f;

    *out = (struct piece){.text = "", .type = VOCAB_NORMAL};
    while (field_next(&f, &r)) {
        if (f.number == 1 && f.wire == WIRE_BYTES) {
            out->text = (const char *)f.sub.p;
            out->n = rd_left(&f.sub);
        } else if (f.number == 2 && f.wire == WIRE_32) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&out->score, &bits, sizeof(bits));
        } else if (f.number == 3 && f.wire == WIRE_VARINT) {
            out->type = piece_type(f.value);
        }
    }
    return !r.bad;
}

static int trainer_read(struct spec *s, struct rd r, struct err *err)
{
    static const char *const names[] = {"?", "Unigram", "BPE", "word", "character"};
    struct field f;

    while (field_next(&f, &r))
        if (f.number == TRAINER_TYPE && f.wire == WIRE_VARINT)
            s->type = f.value;
    if (s->type != TYPE_BPE && s->type != TYPE_UNIGRAM)
        return err_set(err, ERR_UNSUPPORTED,
                       "a SentencePiece model of type %s: only BPE and Unigram are supported",
                       names[s->type < 5 ? s->type : 0]);
    return 0;
}

static void normalizer_read(struct spec *s, struct rd r)
{
    struct field f;

    while (field_next(&f, &r)) {
        if (f.number == NORM_CHARSMAP && f.wire == WIRE_BYTES)
            s->charsmap = f.sub;
        else if (f.number == NORM_PREFIX && f.wire == WIRE_VARINT)
            s->prefix = f.value != 0;
        else if (f.number == NORM_EXTRA && f.wire == WIRE_VARINT)
            s->no_extra = f.value != 0;
    }
}

/* First pass: is it whole, how many pieces, and of what kind? */
static int model_read(struct spec *s, size_t *n, struct rd r, struct err *err)
{
    const uint8_t *begin = r.p;
    struct field f;
    int rc = 0;

    *n = 0;
    *s = (struct spec){.type = TYPE_UNIGRAM, .prefix = true, .no_extra = true};
    while (!rc && field_next(&f, &r)) {
        if (f.number == MODEL_TRAINER && f.wire == WIRE_BYTES)
            rc = trainer_read(s, f.sub, err);
        else if (f.number == MODEL_NORMALIZER && f.wire == WIRE_BYTES)
            normalizer_read(s, f.sub);
        *n += f.number == MODEL_PIECE && f.wire == WIRE_BYTES;
    }
    if (!rc && r.bad)
        rc =
            err_set(err, ERR_FORMAT, "broken or truncated near byte %zu: not a SentencePiece model",
                    (size_t)(r.p - begin));
    if (!rc && !*n)
        rc = err_set(err, ERR_FORMAT, "no pieces: not a SentencePiece model");
    return rc;
}

/* A Unigram model says how it prepares a text; of a BPE model the reference keeps
 * nothing, and only the characters' map goes into a key of ours. */
static int put_spec(struct vocab *v, const struct spec *s, struct err *err)
{
    const size_t n = rd_left(&s->charsmap);

    v->kind = s->type == TYPE_UNIGRAM ? VOCAB_UNIGRAM : VOCAB_SPM;
    if (v->kind == VOCAB_UNIGRAM) {
        v->space_prefix = s->prefix;
        v->remove_extra_spaces = s->no_extra;
    }
    if (!n)
        return 0;
    v->charsmap = (const uint8_t *)arena_strn(&v->arena, (const char *)s->charsmap.p, n);
    v->charsmap_bytes = n;
    return v->charsmap ? 0 : err_nomem(err);
}

static int put_pieces(struct vocab *v, struct rd r, const struct log *log, struct err *err)
{
    struct piece p;
    struct field f;
    size_t id = 0, extra = 0;
    int rc = 0;

    while (!rc && field_next(&f, &r)) {
        if (f.number != MODEL_PIECE || f.wire != WIRE_BYTES)
            continue;
        if (!piece_read(&p, f.sub))
            rc = err_set(err, ERR_FORMAT, "piece %zu is broken", id);
        else if (id < v->n_tokens)
            rc = vocab_put(v, id, p.text, p.n, p.score, p.type, err);
        else
            extra++;
        id++;
    }
    if (!rc && extra)
        log_warn(log, "tokenizer.model: %zu tokens from id %zu on are beyond vocab_size: ignored",
                 extra, v->n_tokens);
    return rc;
}

/* added_tokens.json: {"text": id}. */
static int put_added(struct vocab *v, const json_val *added, const struct log *log, struct err *err)
{
    int rc = 0;

    for (const json_val *t = json_is_object(added) ? json_first(added) : NULL; t && !rc;
         t = json_next(t)) {
        int64_t id;
        if (!json_int(t, &id) || id < 0 || (uint64_t)id >= v->n_tokens)
            log_warn(log, "added_tokens.json: \"%s\" has no id below vocab_size: ignored",
                     json_key(t));
        else
            rc = vocab_put(v, (size_t)id, json_key(t), strlen(json_key(t)), -1000.0F, VOCAB_USER,
                           err);
    }
    return rc;
}

/* tokenizer_config.json's "added_tokens_decoder": {"id": {"content", "special"}}. */
static int put_decoder(struct vocab *v, const json_val *decoder, const struct log *log,
                       struct err *err)
{
    int rc = 0;

    for (const json_val *t = json_is_object(decoder) ? json_first(decoder) : NULL; t && !rc;
         t = json_next(t)) {
        char *end;
        const unsigned long long id = strtoull(json_key(t), &end, 10);
        const char *text = json_str(json_get(t, "content"));
        bool special = false;
        if (!text || *end || end == json_key(t) || id >= v->n_tokens) {
            log_warn(log,
                     "tokenizer_config.json: added token \"%s\" has no id below vocab_size: "
                     "ignored",
                     text ? text : json_key(t));
            continue;
        }
        (void)json_bool(json_get(t, "special"), &special);
        rc = vocab_put_added(v, (size_t)id, text, special, -1000.0F, err);
    }
    return rc;
}

/* An added token as it is written, control only when it is marked special. */
static int put_marked(struct vocab *v, uint64_t id, const json_val *t, struct err *err)
{
    const char *text = json_str(json_get(t, "content"));
    bool special = false;

    if (!text || id >= v->n_tokens)
        return 0;
    (void)json_bool(json_get(t, "special"), &special);
    return vocab_put(v, (size_t)id, text, strlen(text), -1000.0F,
                     special ? VOCAB_CONTROL : VOCAB_USER, err);
}

/* What tokenizer_config.json and then tokenizer.json call their added tokens, the later
 * over the earlier. */
static int put_all_marked(struct vocab *v, const struct vocab_files *f, struct err *err)
{
    const json_val *decoder = json_get(f->tokenizer_config, "added_tokens_decoder");
    const json_val *added = json_get(f->tokenizer, "added_tokens");
    int rc = 0;

    for (const json_val *t = json_is_object(decoder) ? json_first(decoder) : NULL; t && !rc;
         t = json_next(t)) {
        char *end;
        const unsigned long long id = strtoull(json_key(t), &end, 10);
        if (!*end && end != json_key(t))
            rc = put_marked(v, id, t, err);
    }
    for (const json_val *t = json_is_array(added) ? json_first(added) : NULL; t && !rc;
         t = json_next(t)) {
        int64_t id;
        if (json_int(json_get(t, "id"), &id) && id >= 0)
            rc = put_marked(v, (uint64_t)id, t, err);
    }
    return rc;
}

int vocab_read_spm(struct vocab *v, const void *data, size_t size, const struct vocab_files *f,
                   struct err *err)
{
    const struct rd r = rd_init(data ? data : "", size);
    struct spec s;
    size_t n;

    int rc = model_read(&s, &n, r, err);
    if (!rc)
        rc = put_spec(v, &s, err);
    if (!rc)
        rc = vocab_fill(v, f->n_vocab ? f->n_vocab : n, -10000.0F, err);
    if (!rc)
        rc = put_pieces(v, r, f->log, err);
    if (!rc)
        rc = put_added(v, f->added_tokens, f->log, err);
    if (!rc && f->rules && f->rules->json_added)
        rc = put_all_marked(v, f, err);
    else if (!rc && v->kind == VOCAB_SPM)
        rc = put_decoder(v, json_get(f->tokenizer_config, "added_tokens_decoder"), f->log, err);
    return rc ? rc : vocab_pad(v, err);
}
