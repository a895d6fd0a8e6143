// The collector {{name}}: the length of a job queue, from a file that holds it as one decimal integer.
//
// It keeps three things in its state: how often it looked, how long the queue was each time, and whether it has said
// that the queue is empty.

#include "sandbeat.h"

#include <inttypes.h>
#include <string.h>

static const sandbeat_key QUEUE = {
    .key = "{{ident}}.name",
    .description = "The queue's name, as configured.",
};

static const sandbeat_metric LENGTH = {
    .kind = SANDBEAT_GAUGE,
    .name = "{{ident}}.length",
    .unit = "{job}",
    .description = "Jobs that wait in the queue.",
    .keys = {&QUEUE},
};

static const sandbeat_metric OBSERVATIONS = {
    .kind = SANDBEAT_COUNTER,
    .name = "{{ident}}.observations",
    .unit = "{observation}",
    .description = "How often the queue was looked at.",
    .keys = {&QUEUE},
};

static const sandbeat_metric DISTRIBUTION = {
    .kind = SANDBEAT_HISTOGRAM,
    .name = "{{ident}}.length.distribution",
    .unit = "{job}",
    .description = "How long the queue was when it was looked at.",
    .keys = {&QUEUE},
    SANDBEAT_BOUNDS(0, 10, 100, 1000),
};

static const sandbeat_metadata PATH = {
    .key = "{{ident}}.path",
    .description = "The file that says it.",
};

const sandbeat_description sandbeat_collector = {
    .version = "0.1.0",
    .summary = "The length of a job queue, as a file says it.",
    SANDBEAT_METRICS(&LENGTH, &OBSERVATIONS, &DISTRIBUTION),
    SANDBEAT_METADATA(&PATH),
};

// The sidecar's `[config]`.
typedef struct {
    const char *path;
    const char *name;
} settings;

static sandbeat_result read_settings(settings *set) {
    *set = (settings){.path = "/run/{{name}}/length", .name = "default"};
    SANDBEAT_TRY(SANDBEAT_CONFIG_ONLY("path", "name"));
    SANDBEAT_TRY(sandbeat_config_string("path", &set->path));
    SANDBEAT_TRY(sandbeat_config_string("name", &set->name));
    if (set->path[0] != '/') {
        return sandbeat_config_error("path", "is \"%s\"; it has to start with `/`", set->path);
    }
    size_t length = strlen(set->name);
    if (length == 0 || length > 256) {
        return sandbeat_config_error("name", "has %zu bytes; it has to have 1 to 256", length);
    }
    return SANDBEAT_OK;
}

// Says that the queue is empty when it becomes so, and not again while it stays so.
static sandbeat_result tell_when_empty(uint64_t length) {
    bool was_empty = false;
    sandbeat_state_get("empty", &was_empty, sizeof(was_empty));
    bool is_empty = length == 0;
    if (is_empty == was_empty) {
        return SANDBEAT_OK;
    }
    if (is_empty) {
        sandbeat_log_info("the queue is empty");
    }
    return sandbeat_state_set("empty", &is_empty, sizeof(is_empty));
}

sandbeat_result sandbeat_collect(sandbeat_contribution *out) {
    settings set;
    const char *text;
    uint64_t length;
    SANDBEAT_TRY(read_settings(&set));
    SANDBEAT_TRY(sandbeat_read_text(set.path, &text));
    if (!sandbeat_parse_u64(text, &length)) {
        return sandbeat_internal("`%s` does not hold one non-negative integer", set.path);
    }
    sandbeat_log_debug("read %" PRIu64 " from %s", length, set.path);
    SANDBEAT_TRY(tell_when_empty(length));

    sandbeat_add(out, &LENGTH, (double)length);
    sandbeat_attribute(out, &QUEUE, set.name);
    SANDBEAT_TRY(sandbeat_count(out, &OBSERVATIONS, "observations", 1));
    sandbeat_attribute(out, &QUEUE, set.name);
    SANDBEAT_TRY(sandbeat_observe(out, &DISTRIBUTION, "distribution", (double)length));
    sandbeat_attribute(out, &QUEUE, set.name);
    sandbeat_add_metadata(out, &PATH, set.path);
    return SANDBEAT_OK;
}
