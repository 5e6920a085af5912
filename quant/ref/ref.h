#ifndef QUANT_REF_REF_H
#define QUANT_REF_REF_H

/* The encoders and decoders behind the codec table, one file per type. What
 * they take and give is said in quant/codec.h. */

#include "quant/codec.h"

/* By enum dtype; a row without a type is one pare cannot compute with. */
extern const struct codec codec_table_scalar[DTYPE_COUNT], codec_table_avx2[DTYPE_COUNT],
    codec_table_avx512[DTYPE_COUNT];

codec_enc_fn f32_encode, f16_encode, bf16_encode;
codec_dec_fn f64_decode, f32_decode, f16_decode, bf16_decode, e4m3_decode, e5m2_decode;
codec_dec_fn i64_decode, i32_decode, i16_decode, i8_decode;
codec_dec_fn u64_decode, u32_decode, u16_decode, u8_decode, bool_decode;

codec_enc_fn q4_0_encode, q5_0_encode, q5_1_encode, q8_0_encode;
codec_dec_fn q4_0_decode, q5_0_decode, q5_1_decode, q8_0_decode;
codec_enc_fn q2_k_encode, q3_k_encode;
codec_dec_fn q2_k_decode, q3_k_decode;
codec_enc_fn q4_k_encode, q5_k_encode, q6_k_encode;
codec_dec_fn q4_k_decode, q5_k_decode, q6_k_decode;

codec_enc_fn q4_1_encode, mxfp4_encode, nvfp4_encode;
codec_dec_fn q4_1_decode, mxfp4_decode, nvfp4_decode;

codec_enc_fn q1_0_encode, q2_0_encode, tq1_0_encode, tq2_0_encode;
codec_dec_fn q1_0_decode, q2_0_decode, tq1_0_decode, tq2_0_decode;
codec_enc_fn iq4_nl_encode, iq4_xs_encode;
codec_dec_fn iq4_nl_decode, iq4_xs_decode;

codec_enc_fn iq2_xxs_encode, iq2_xs_encode, iq2_s_encode, iq3_xxs_encode, iq3_s_encode;
codec_dec_fn iq2_xxs_decode, iq2_xs_decode, iq2_s_decode, iq3_xxs_decode, iq3_s_decode;
codec_enc_fn iq1_s_encode, iq1_m_encode;
codec_dec_fn iq1_s_decode, iq1_m_decode;

#endif /* QUANT_REF_REF_H */
