/* What steps need of memory, roughly: models are mapped, and a step reads all of one. */

#include "formats/base/map.h"
#include "recipes/engine_impl.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BESIDE = 128 << 20 }; /* bytes a step needs for itself */

/* Three quarters of what the system says is available; all there is where it does not say. */
uint64_t engine_memory(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    unsigned long long kib = 0;
    char line[128];

    while (f && !kib && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
            kib = 0;
    if (f)
        (void)fclose(f);
    return kib ? kib * 1024 / 4 * 3 : UINT64_MAX;
}

uint64_t engine_weights_bytes(const char *path)
{
    struct stat st;
    uint64_t sum = 0;
    DIR *d;

    if (stat(path, &st))
        return 0;
    if (!S_ISDIR(st.st_mode))
        return (uint64_t)st.st_size;
    d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct buf file = {0};
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".safetensors") != 0)
            continue;
        buf_fmt(&file, "%s/%s", path, e->d_name);
        if (!file.bad && !stat(file.p, &st))
            sum += (uint64_t)st.st_size;
        buf_release(&file);
    }
    if (d)
        (void)closedir(d);
    return sum;
}

uint64_t engine_memory_of(const struct branch *b, const struct engine_step *s)
{
    const struct engine_ops *ops = engine_ops(s->kind);

    return BESIDE + (ops->memory ? ops->memory(b, s) : 0);
}
