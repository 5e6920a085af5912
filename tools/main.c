/* pare: all there is to do.
 *
 * Adding a command: a row here, a declaration in cmd.h, a file cmd_<name>.c, a
 * test tests/cli/<name>.sh, a line in README.md. */

#include "formats/base/cpu.h"
#include "formats/base/version.h"
#include "tools/cmd.h"
#include "tools/progress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cmd {
    const char *name;
    cmd_fn *run;
    const char *usage;
    const char *help;
} cmds[] = {
    {"inspect",  cmd_inspect,  "MODEL",                     "what a file holds"                            },
    {"convert",  cmd_convert,  "CHECKPOINT OUT.gguf",       "safetensors checkpoint to GGUF"               },
    {"imatrix",  cmd_imatrix,  "MODEL TEXT OUT.gguf",       "importance of every weight's columns"         },
    {"export",   cmd_export,   "MODEL.gguf OUT_DIR",        "GGUF back to a safetensors checkpoint"        },
    {"quantize", cmd_quantize, "MODEL OUT.gguf MIX|TYPE",   "the smaller file"                             },
    {"distill",  cmd_distill,  "TEACHER OUT",               "a smaller model, trained to be like it"       },
    {"diff",     cmd_diff,     "FIRST SECOND",              "how far tensors of two models are apart"      },
    {"eval",     cmd_eval,     "MODEL...",                  "perplexity, and the loss against an original" },
    {"compare",  cmd_compare,  "A.json B.json",             "two reports: better, worse or no difference"  },
    {"run",      cmd_run,      "RECIPE.yaml",               "a recipe from start to end"                   },
    {"cache",    cmd_cache,    "ls|gc [DIR]",               "what finished steps of recipes left"          },
    {"history",  cmd_history,  "[MODEL]",                   "how size and loss of a recipe moved over runs"},
    {"generate", cmd_generate, "MODEL",                     "text"                                         },
    {"tokenize", cmd_tokenize, "MODEL",                     "token ids of a text"                          },
    {"logits",   cmd_logits,   "MODEL OUT.bin",             "raw logits of given token ids"                },
    {"codec",    cmd_codec,    "encode|decode TYPE IN OUT", "rows of numbers to blocks and back"           },
    {"bench",    cmd_bench,    "MODEL",                     "prompt and generation speed"                  },
};

static int help(FILE *to)
{
    (void)fputs("usage: pare COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < N_OF(cmds); i++)
        (void)fprintf(to, "  %-9s %-26s %s\n", cmds[i].name, cmds[i].usage, cmds[i].help);
    (void)fputs("\npare COMMAND --help lists a command's options.\n", to);
    return to == stderr ? 2 : 0;
}

int cmd_options(struct cmd_common *out, const struct cmd_env *env, const struct opt *opts,
                size_t n_opts, int argc, char **argv, const char **operand, size_t *n_operands,
                size_t min, size_t max, struct err *err)
{
    enum { ALL_MAX = 64 };
    struct opt all[ALL_MAX];
    int64_t threads = 0;
    bool want_help = false;
    const char *level = "native";
    const struct opt common[] = {
        {"t",    "N",     "threads (default: every CPU)",                 OPT_INT,  &threads,   1, 1024},
        {"cpu",  "LEVEL", "use only scalar, avx2, avx512 or amx kernels", OPT_STR,  &level,     0, 0   },
        {"help", NULL,    "this list",                                    OPT_FLAG, &want_help, 0, 0   },
    };

    if (n_opts + N_OF(common) > ALL_MAX)
        return err_set(err, ERR_ARG, "too many options");
    memcpy(all, opts, n_opts * sizeof(*opts));
    memcpy(all + n_opts, common, sizeof(common));
    n_opts += N_OF(common);

    *out = (struct cmd_common){0};
    int rc = opt_parse(all, n_opts, argc, argv, operand, n_operands, 0, max, err);
    if (!rc && want_help) {
        printf("usage: pare %s %s [OPTIONS]\n", env->name, env->usage);
        opt_help(all, n_opts);
        out->done = true;
        return 0;
    }
    if (!rc && *n_operands < min)
        rc = err_set(err, ERR_ARG, "usage: pare %s %s (--help lists the options)", env->name,
                     env->usage);
    if (!rc)
        rc = cpu_mask(&out->cpu, level, err);
    if (rc)
        return rc;
    out->cpu &= cpu_detect();
    out->par = par_init((int)threads);
    return 0;
}

static int status_of(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case ERR_ARG:
        return 2;
    case ERR_GATE:
        return 3;
    default:
        return 1;
    }
}

/* Results that did not reach their reader are a failure. */
static int flushed(int rc)
{
    if ((fflush(stdout) || ferror(stdout)) && !rc) {
        perror("pare: writing results");
        return 1;
    }
    return rc;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
    struct progress progress;
    struct err err = {0};
    struct cmd_env env = {.name = cmd->name, .usage = cmd->usage};

    progress_init(&progress, &env.log, cmd->name);
    const int rc = cmd->run(&env, argc, argv, &err);
    progress_end(&progress);
    if (rc)
        (void)fprintf(stderr, "pare %s: %s\n", cmd->name, err.msg);
    return flushed(status_of(rc));
}

/* Keep 0, 1 and 2 taken when they come closed, or the next file opened would be one of
 * them and messages go into it. Opened so that writing results fails. */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

/* libgomp's threads spin for milliseconds at every barrier before they sleep, which
 * on a busy machine costs most of the time (docs/speed.md). It reads its settings
 * before main, hence the second start; the user's own settings stand. OpenBLAS, which is
 * called from threads of our own, would start its threads at every program start. */
static void restart_calm(char **argv)
{
#ifdef _OPENMP
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY") || setenv("GOMP_SPINCOUNT", "100", 1))
        return;
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 0);
    (void)execv("/proc/self/exe", argv); /* when that fails, go on as we are */
#else
    (void)argv;
#endif
}

int main(int argc, char **argv)
{
    restart_calm(argv);
    (void)signal(SIGPIPE, SIG_IGN);
    hold_streams();
    if (argc < 2)
        return help(stderr);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return flushed(help(stdout));
    if (!strcmp(argv[1], "--version"))
        return flushed(puts("pare " PARE_VERSION) < 0);
    for (size_t i = 0; i < N_OF(cmds); i++)
        if (!strcmp(argv[1], cmds[i].name))
            return run(&cmds[i], argc - 1, argv + 1);
    (void)fprintf(stderr, "pare: unknown command \"%s\"\n", argv[1]);
    return help(stderr);
}
