#include "quant/kern.h"

#include "formats/base/cpu.h"
#include "quant/codec.h"
#include "quant/kern/kern_isa.h"

void kern_init(struct kern *k, unsigned cpu)
{
    *k = (struct kern){.isa = "scalar"};
    for (int t = 0; t < DTYPE_COUNT; t++) {
        const struct codec *c = codec_get((enum dtype)t, cpu);
        k->dec[t] = c ? c->dec : NULL;
    }
    kern_init_scalar(k); /* has a product for every type with a decoder */
#if defined(__x86_64__)
    if (cpu & CPU_AVX2) {
        kern_init_avx2_dec(k);
        kern_init_avx2_ops(k);
        kern_init_avx2_attn(k);
        kern_init_avx2_soft(k);
        kern_init_avx2_gemm(k);
        kern_init_avx2_vec(k);
        k->isa = "avx2";
    }
    /* these files may hold any instruction of both */
    if (cpu & CPU_AVX512 && cpu & CPU_VNNI) {
        kern_init_avx512_dec(k);
        kern_init_avx512_ops(k);
        kern_init_avx512_attn(k);
        kern_init_avx512_soft(k);
        kern_init_avx512_gemm(k);
        kern_init_avx512_vec(k);
        kern_init_avx512_int16(k);
        k->isa = "avx512";
    }
    if (cpu & CPU_AMX) {
        kern_init_amx_gemm(k);
        k->isa = "amx";
    }
#endif
}

enum kern_math kern_math_for(const struct kern *k, enum kern_math math, enum dtype t, bool many)
{
    const bool has = k->ints[t] && (!many || k->gemm[KERN_INT16].mul);

    return math == KERN_INT16 && !has ? KERN_BF16 : math;
}
