#ifndef TESTS_CODEC_TRY_H
#define TESTS_CODEC_TRY_H

/* Rows for tests of codecs, and what every encoder that searches must keep to. */

#include "quant/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRY_N = 512 }; /* values in a row */

/* Close to a normal distribution, of whole operations only. */
void try_fill(float x[TRY_N], float sigma, uint64_t seed);

/* n values of a coarser such distribution, sums of twelve even numbers of 16 bits. */
void try_normal(float *x, size_t n, float sigma, uint64_t seed);

/* Blocks of a row in `blocks`; returns their bytes, 0: refused, or wrote beyond them. */
size_t try_encode(uint8_t blocks[TRY_N * 4], const struct codec *c, const float *x,
                  const float *importance, enum codec_effort effort);

/* Relative root of the squared errors, each times its `measure` (NULL: 1), of the row
 * encoded with importance w (NULL: none). NaN: try_encode failed. */
double try_error(const struct codec *c, const float *x, const float *w, const float *measure);

/* The same bytes from every level of processor, with each effort, at any magnitude? */
bool try_levels_agree(const struct codec *c);

/* Columns without importance: is their error at most `room` times that without any, three times
 * that where they share a scale with columns that have some? */
bool try_zero_importance(const struct codec *c, double room);

/* Is no magnitude worse than zeros would be, and from 2^-`usual` on any as good as 1? */
bool try_tiny(const struct codec *c, int usual);

/* The largest error of rows that were decoded and are encoded again. */
double try_again(const struct codec *c);

#endif /* TESTS_CODEC_TRY_H */
