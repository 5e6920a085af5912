/* Force-included in every file: names that must not be used become errors. */
#ifndef TESTS_LINT_BANNED_H
#define TESTS_LINT_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok gets atoi atol atof

#endif /* TESTS_LINT_BANNED_H */
