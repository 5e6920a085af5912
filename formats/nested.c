#include "formats/nested.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const json_val *nested_config(const json_val *config)
{
    const json_val *text = json_get(config, "text_config");

    return json_is_object(text) ? text : config;
}

const struct arch *nested_arch(const json_val *config)
{
    static const char holds[] = "ForConditionalGeneration";
    const char *class = json_str(json_first(json_get(config, "architectures")));
    const char *type = json_str(json_get(nested_config(config), "model_type"));
    const size_t n = class ? strlen(class) : 0, k = sizeof(holds) - 1;
    const struct arch *a = class ? arch_of_config(class, nested_config(config)) : NULL;
    char name[128];

    if (a || n < k || strcmp(class + n - k, holds) != 0 || nested_config(config) == config)
        return a;
    (void)snprintf(name, sizeof(name), "%.*sForCausalLM", (int)(n - k < 100 ? n - k : 100), class);
    a = arch_of_config(name, nested_config(config));
    if (a || !type)
        return a;
    (void)snprintf(name, sizeof(name), "%c%.99sForCausalLM", toupper((unsigned char)type[0]),
                   type[0] ? type + 1 : "");
    return arch_of_config(name, nested_config(config));
}

bool nested_other(const char *name)
{
    static const char *const parts[] = {"vision_tower.", "vision_model.",
                                        "visual.",       "multi_modal_projector.",
                                        "embed_vision.", "audio_tower.",
                                        "embed_audio.",  "vision_encoder.",
                                        "patch_merger.", "vision_language_adapter."};

    if (!strncmp(name, "model.", 6))
        name += 6;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!strncmp(name, parts[i], strlen(parts[i])))
            return true;
    return false;
}

const char *nested_name(char *dst, size_t size, const char *name)
{
    static const struct {
        const char *from, *to;
    } prefixes[] = {
        {"model.language_model.", "model."},
        {"language_model.model.", "model."},
        {"language_model.",       ""      },
    };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const size_t n = strlen(prefixes[i].from);
        if (strncmp(name, prefixes[i].from, n) != 0)
            continue;
        const int wrote = snprintf(dst, size, "%s%s", prefixes[i].to, name + n);
        return wrote > 0 && (size_t)wrote < size ? dst : name;
    }
    return name;
}
