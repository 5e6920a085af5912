/* Without libFuzzer: feed every file of the folders or files named to the target,
 * printing TAP. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t n = 0;

    if (!f)
        return 1;
    if (!fseek(f, 0, SEEK_END)) {
        const long end = ftell(f);
        rewind(f);
        data = malloc(end > 0 ? (size_t)end : 1);
        n = data && end > 0 ? fread(data, 1, (size_t)end, f) : 0;
    }
    (void)fclose(f);
    if (!data)
        return 1;
    /* an exact-size copy, so that ASan sees a read one byte past the end */
    (void)LLVMFuzzerTestOneInput(data, n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *e;
        while (dir && (e = readdir(dir))) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
            n++;
            printf("%s %d - %s\n", feed(path) ? "not ok" : "ok", n, e->d_name);
        }
        if (dir)
            (void)closedir(dir);
    }
    if (!n)
        printf("not ok 1 - no corpus\n");
    printf("1..%d\n", n ? n : 1);
    return n ? 0 : 1;
}
