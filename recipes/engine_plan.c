/* The steps of a branch: what each kind adds. */

#include "recipes/engine_impl.h"

#include <stdlib.h>
#include <string.h>

/* The model's folder or file name. */
static const char *model_name(struct branch *b)
{
    char *real = realpath(b->recipe->model.path, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    const char *name = engine_text(b->e, slash ? slash + 1 : b->recipe->model.path);

    free(real);
    return name;
}

static int room_for_one(struct engine *e)
{
    const size_t room = e->room ? 2 * e->room : 16;
    struct engine_step **grown;

    if (e->n_steps < e->room)
        return 0;
    grown = realloc(e->step, room * sizeof(*grown));
    if (!grown)
        return -1;
    e->step = grown;
    e->room = room;
    return 0;
}

struct engine_step *engine_add(struct branch *b, enum engine_kind kind, const char *name,
                               size_t n_files)
{
    struct engine *e = b->e;
    struct engine_step *s = arena_alloc(&e->arena, sizeof(*s));
    struct engine_file *file = arena_array(&e->arena, n_files + !n_files, sizeof(*file));

    if (!s || !file || room_for_one(e))
        return NULL;
    *s = (struct engine_step){
        .kind = kind, .branch = b->recipe->suffix, .name = name, .file = file, .n_files = n_files};
    e->step[e->n_steps++] = s;
    return s;
}

int engine_plan(struct branch *b, struct err *err)
{
    const size_t n = b->recipe->n_quant;
    int rc = 0;

    b->original =
        (struct weights){.path = b->recipe->model.path, .name = model_name(b), .key = b->model_sha};
    b->variant = arena_array(&b->e->arena, n + 1, sizeof(*b->variant));
    b->model = arena_array(&b->e->arena, n + 1, sizeof(*b->model));
    if (!b->original.name || !b->variant || !b->model)
        return err_nomem(err);
    for (size_t i = 0; !rc && i < ENGINE_KINDS; i++)
        if (engine_ops((enum engine_kind)i)->plan)
            rc = engine_ops((enum engine_kind)i)->plan(b, err);
    return rc;
}
