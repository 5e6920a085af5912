#ifndef FORMATS_BASE_VERSION_H
#define FORMATS_BASE_VERSION_H

#define PARE_VERSION "0.1.0"

/* Part of every cached step's key: raise it when an encoder's bytes change. */
enum { PARE_ENCODER_VERSION = 3 };

/* The same of a student's: raise it when training gives other numbers. */
enum { DISTILL_VERSION = 1 };

#endif /* FORMATS_BASE_VERSION_H */
