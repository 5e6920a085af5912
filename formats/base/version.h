#ifndef FORMATS_BASE_VERSION_H
#define FORMATS_BASE_VERSION_H

#define PARE_VERSION "0.1.0"

/* Part of every cached step's key: raise it when an encoder's bytes change. */
enum { PARE_ENCODER_VERSION = 3 };

#endif /* FORMATS_BASE_VERSION_H */
