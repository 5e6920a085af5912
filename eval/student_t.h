#ifndef EVAL_STUDENT_T_H
#define EVAL_STUDENT_T_H

/* Student's t distribution: what a mean of few windows allows to be said. */

/* P(T <= t) for T with df > 0 degrees of freedom, to some 1e-13. */
double student_t_cdf(double t, double df);

/* The t with student_t_cdf(t, df) = p, p in (0, 1), df >= 1, to some 1e-12 of it. */
double student_t_quantile(double p, double df);

/* How many observations in all, at least 2, until the `share` quantile times the error of
 * their mean is below `distance`, when the standard deviation of one is `deviation`.
 * INFINITY: more than 1e9. */
double student_t_needed(double distance, double deviation, double share);

#endif /* EVAL_STUDENT_T_H */
