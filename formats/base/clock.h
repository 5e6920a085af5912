#ifndef FORMATS_BASE_CLOCK_H
#define FORMATS_BASE_CLOCK_H

/* How long things take. */

/* Seconds since an arbitrary start, never set back. */
double clock_seconds(void);

#endif /* FORMATS_BASE_CLOCK_H */
