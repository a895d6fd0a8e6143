// The two exports of the collector world: what is declared and added, in the form that the host takes.
//
// The answer lives in memory of the call, and partly in the collector's constants, so the bindings must not free it
// piece by piece: the two functions that do so are weak, and replaced at the end of this file.

#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t KINDS[] = {
    [SANDBEAT_GAUGE] = SANDBEAT_COLLECTOR_TYPES_KIND_GAUGE,
    [SANDBEAT_COUNTER] = SANDBEAT_COLLECTOR_TYPES_KIND_COUNTER,
    [SANDBEAT_HISTOGRAM] = SANDBEAT_COLLECTOR_TYPES_KIND_HISTOGRAM,
};

static sandbeat_collector_types_metric_t *add(sandbeat_contribution *out, collector_string_t name,
                                              collector_string_t unit) {
    out->metrics.ptr = sandbeat_grow(out->metrics.ptr, out->metrics.len, sizeof(*out->metrics.ptr));
    sandbeat_collector_types_metric_t *point = &out->metrics.ptr[out->metrics.len++];
    *point = (sandbeat_collector_types_metric_t){.name = name, .unit = unit};
    return point;
}

static void set_number(sandbeat_collector_types_metric_t *point, sandbeat_kind kind, double value) {
    switch (kind) {
    case SANDBEAT_GAUGE:
        point->value.tag = SANDBEAT_COLLECTOR_TYPES_VALUE_GAUGE;
        point->value.val.gauge = value;
        break;
    case SANDBEAT_COUNTER:
        point->value.tag = SANDBEAT_COLLECTOR_TYPES_VALUE_COUNTER;
        point->value.val.counter = value;
        break;
    default:
        // One number is no distribution: a mistake of the collector's author.
        sandbeat_log_error("`%.*s` is a histogram; sandbeat_add takes none", (int)point->name.len,
                           (const char *)point->name.ptr);
        abort();
    }
}

void sandbeat_add(sandbeat_contribution *out, const sandbeat_metric *metric, double value) {
    set_number(add(out, sandbeat_text(metric->name), sandbeat_text(metric->unit)), metric->kind, value);
}

void sandbeat_add_named(sandbeat_contribution *out, sandbeat_kind kind, const char *name, const char *unit,
                        double value) {
    set_number(add(out, sandbeat_text_copy(name), sandbeat_text_copy(unit)), kind, value);
}

void sandbeat_add_histogram(sandbeat_contribution *out, const sandbeat_metric *histogram, const uint64_t *counts,
                            double sum) {
    sandbeat_collector_types_metric_t *point =
        add(out, sandbeat_text(histogram->name), sandbeat_text(histogram->unit));
    size_t buckets = histogram->bound_count + 1;
    point->value.tag = SANDBEAT_COLLECTOR_TYPES_VALUE_HISTOGRAM;
    point->value.val.histogram = (sandbeat_collector_types_histogram_t){
        // The bindings only read the answer.
        .bounds = {(double *)histogram->bounds, histogram->bound_count},
        .counts = {(uint64_t *)sandbeat_copy(counts, buckets * sizeof(*counts)), buckets},
        .sum = sum,
    };
}

static void attribute(sandbeat_contribution *out, collector_string_t key, const char *value) {
    if (out->metrics.len == 0) {
        sandbeat_log_error("the attribute `%.*s` was given before any point", (int)key.len, (const char *)key.ptr);
        abort();
    }
    sandbeat_collector_types_list_attribute_t *attributes = &out->metrics.ptr[out->metrics.len - 1].attributes;
    attributes->ptr = sandbeat_grow(attributes->ptr, attributes->len, sizeof(*attributes->ptr));
    attributes->ptr[attributes->len++] = (sandbeat_collector_types_attribute_t){key, sandbeat_text_copy(value)};
}

void sandbeat_attribute(sandbeat_contribution *out, const sandbeat_key *key, const char *value) {
    attribute(out, sandbeat_text(key->key), value);
}

void sandbeat_attribute_named(sandbeat_contribution *out, const char *key, const char *value) {
    attribute(out, sandbeat_text_copy(key), value);
}

void sandbeat_add_metadata(sandbeat_contribution *out, const sandbeat_metadata *metadata, const char *value) {
    out->metadata.ptr = sandbeat_grow(out->metadata.ptr, out->metadata.len, sizeof(*out->metadata.ptr));
    out->metadata.ptr[out->metadata.len++] =
        (sandbeat_collector_types_metadata_entry_t){sandbeat_text(metadata->key), sandbeat_text_copy(value)};
}

sandbeat_result sandbeat_count(sandbeat_contribution *out, const sandbeat_metric *counter, const char *key,
                               double more) {
    double total = 0;
    sandbeat_state_get(key, &total, sizeof(total));
    total += more;
    SANDBEAT_TRY(sandbeat_state_set(key, &total, sizeof(total)));
    sandbeat_add(out, counter, total);
    return SANDBEAT_OK;
}

// Kept as the bounds, the counts and the sum, eight bytes each: what has other bounds is something else.
sandbeat_result sandbeat_observe(sandbeat_contribution *out, const sandbeat_metric *histogram, const char *key,
                                 double measurement) {
    size_t bounds = histogram->bound_count * sizeof(double);
    size_t counts = bounds + sizeof(uint64_t);
    size_t size = bounds + counts + sizeof(double);
    uint8_t *kept = sandbeat_alloc(size);
    if (!sandbeat_state_get(key, kept, size) || memcmp(kept, histogram->bounds, bounds) != 0) {
        memset(kept, 0, size);
        memcpy(kept, histogram->bounds, bounds);
    }
    uint64_t *count = (uint64_t *)(kept + bounds);
    double *sum = (double *)(kept + bounds + counts);
    if (isfinite(measurement)) {
        size_t bucket = 0;
        while (bucket < histogram->bound_count && histogram->bounds[bucket] < measurement) {
            bucket++;
        }
        count[bucket]++;
        *sum += measurement;
    }
    SANDBEAT_TRY(sandbeat_state_set(key, kept, size));
    sandbeat_add_histogram(out, histogram, count, *sum);
    return SANDBEAT_OK;
}

static sandbeat_collector_types_list_attribute_info_t described_keys(const sandbeat_metric *metric) {
    sandbeat_collector_types_list_attribute_info_t keys = {NULL, 0};
    for (const sandbeat_key *const *key = metric->keys; *key != NULL; key++) {
        keys.ptr = sandbeat_grow(keys.ptr, keys.len, sizeof(*keys.ptr));
        keys.ptr[keys.len++] = (sandbeat_collector_types_attribute_info_t){
            sandbeat_text((*key)->key),
            sandbeat_text((*key)->description),
        };
    }
    return keys;
}

bool exports_sandbeat_collector_guest_describe(exports_sandbeat_collector_guest_description_t *ret,
                                               exports_sandbeat_collector_guest_error_t *err) {
    (void)err;
    const sandbeat_description *own = &sandbeat_collector;
    *ret = (exports_sandbeat_collector_guest_description_t){
        .version = sandbeat_text(own->version),
        .summary = sandbeat_text(own->summary),
        .others = {own->others != NULL, sandbeat_text(own->others)},
    };
    for (const sandbeat_metric *const *metric = own->metrics; metric != NULL && *metric != NULL; metric++) {
        ret->metrics.ptr = sandbeat_grow(ret->metrics.ptr, ret->metrics.len, sizeof(*ret->metrics.ptr));
        ret->metrics.ptr[ret->metrics.len++] = (sandbeat_collector_types_metric_info_t){
            .name = sandbeat_text((*metric)->name),
            .unit = sandbeat_text((*metric)->unit),
            .kind = KINDS[(*metric)->kind],
            .description = sandbeat_text((*metric)->description),
            .attributes = described_keys(*metric),
        };
    }
    for (const sandbeat_metadata *const *entry = own->metadata; entry != NULL && *entry != NULL; entry++) {
        ret->metadata.ptr = sandbeat_grow(ret->metadata.ptr, ret->metadata.len, sizeof(*ret->metadata.ptr));
        ret->metadata.ptr[ret->metadata.len++] = (sandbeat_collector_types_metadata_info_t){
            sandbeat_text((*entry)->key),
            sandbeat_text((*entry)->description),
        };
    }
    return true;
}

bool exports_sandbeat_collector_guest_collect(exports_sandbeat_collector_guest_contribution_t *ret,
                                              exports_sandbeat_collector_guest_error_t *err) {
    sandbeat_contribution out = {{NULL, 0}, {NULL, 0}};
    sandbeat_result failed = sandbeat_collect(&out);
    if (failed == SANDBEAT_OK) {
        *ret = (exports_sandbeat_collector_guest_contribution_t){out.metrics, out.metadata};
        return true;
    }
    static const uint8_t kinds[] = {
        [SANDBEAT_CONFIG] = SANDBEAT_COLLECTOR_TYPES_ERROR_CONFIG,
        [SANDBEAT_DENIED] = SANDBEAT_COLLECTOR_TYPES_ERROR_DENIED,
        [SANDBEAT_UNAVAILABLE] = SANDBEAT_COLLECTOR_TYPES_ERROR_UNAVAILABLE,
        [SANDBEAT_INTERNAL] = SANDBEAT_COLLECTOR_TYPES_ERROR_INTERNAL,
    };
    *err = (exports_sandbeat_collector_guest_error_t){
        .tag = kinds[failed->kind],
        // All cases hold a string, at the same place.
        .val.internal = sandbeat_text(failed->text),
    };
    return false;
}

#ifdef __wasm__
// The bindings would have an object file linked that says which world this is; `sandbeat plugin wrap` says it instead.
void __component_type_object_force_link_collector(void) {}

__attribute__((__export_name__("cabi_post_sandbeat:collector/guest@0.1.0#describe"))) void
__wasm_export_exports_sandbeat_collector_guest_describe_post_return(uint8_t *answer) {
    (void)answer;
    sandbeat_end_call();
}

__attribute__((__export_name__("cabi_post_sandbeat:collector/guest@0.1.0#collect"))) void
__wasm_export_exports_sandbeat_collector_guest_collect_post_return(uint8_t *answer) {
    (void)answer;
    sandbeat_end_call();
}
#endif
