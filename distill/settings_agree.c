/* Settings that would do nothing. */

#include "distill/settings.h"

#include <string.h>

static bool is_given(const bool given[SETTINGS_MAX], const char *name)
{
    for (size_t i = 0; setting_at(i); i++)
        if (given[i] && !strcmp(setting_at(i)->name, name))
            return true;
    return false;
}

int settings_agree(const bool given[SETTINGS_MAX], const struct distill_opts *o, const char *before,
                   struct err *err)
{
    static const char *const pairs[][2] = {
        {"qad",        "quantize"},
        {"effort",     "quantize"},
        {"cache-k",    "cache"   },
        {"cache-keep", "cache"   }
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (is_given(given, pairs[i][0]) && !is_given(given, pairs[i][1]))
            return err_set(err, ERR_ARG, "%s%s goes with %s%s", before, pairs[i][0], before,
                           pairs[i][1]);
    if (is_given(given, "steps") && is_given(given, "tokens"))
        return err_set(err, ERR_ARG, "%ssteps and %stokens say the same: give one", before, before);
    if (is_given(given, "type") && o->quantize)
        return err_set(err, ERR_ARG, "%stype and %squantize: the mix says the types", before,
                       before);
    if (is_given(given, "decay") && o->train.optim.schedule != SCHEDULE_WSD)
        return err_set(err, ERR_ARG, "%sdecay goes with %sschedule wsd", before, before);
    return 0;
}
