#include "runtime/tok/tok_hf.h"
int hf_new(struct hf **out, const json_val *json, struct err *err)
{
    (void)json;
    *out = NULL;
    return err_set(err, ERR_UNSUPPORTED, "not yet");
}
void hf_free(struct hf *h)
{
    (void)h;
}
int hf_encode(struct tok_ids *out, const struct hf *h, const char *text, size_t n, unsigned flags,
              struct err *err)
{
    (void)out;
    (void)h;
    (void)text;
    (void)n;
    (void)flags;
    (void)err;
    return -1;
}
void hf_decode(struct buf *out, const struct hf *h, struct meta_str text)
{
    (void)out;
    (void)h;
    (void)text;
}
const struct vocab *hf_vocab(const struct hf *h)
{
    (void)h;
    return NULL;
}
