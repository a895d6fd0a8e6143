// The collector's tests, which run on this machine: `make test`.

#include "sandbeat_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_PATH "/run/{{name}}/length"

// Unlike assert, it is there in every build.
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

// What is not there is null.
static bool is(const char *found, const char *expected) {
    return found != NULL && strcmp(found, expected) == 0;
}

static void fails(sandbeat_error_kind kind, const char *part) {
    CHECK(!sandbeat_test_collect());
    CHECK(sandbeat_test_error()->kind == kind);
    CHECK(strstr(sandbeat_test_error()->text, part) != NULL);
}

static void it_reports_the_length(void) {
    sandbeat_test_reset();
    sandbeat_test_file(FILE_PATH, " 42\n");
    CHECK(sandbeat_test_collect());
    CHECK(sandbeat_test_value("{{ident}}.length") == 42);
    CHECK(is(sandbeat_test_attribute("{{ident}}.length", "{{ident}}.name"), "default"));
    CHECK(is(sandbeat_test_metadata("{{ident}}.path"), FILE_PATH));
    CHECK(is(sandbeat_test_last_line(), "read 42 from " FILE_PATH));
}

static void it_goes_on_counting_from_what_it_kept(void) {
    sandbeat_test_reset();
    const char *lengths[] = {"0", "10", "11", "5000"};
    for (size_t i = 0; i < 4; i++) {
        sandbeat_test_file(FILE_PATH, lengths[i]);
        CHECK(sandbeat_test_collect());
    }
    CHECK(sandbeat_test_value("{{ident}}.observations") == 4);
    const sandbeat_collector_types_histogram_t *distribution = sandbeat_test_histogram("{{ident}}.length.distribution");
    const uint64_t counts[] = {1, 1, 1, 0, 1};
    CHECK(distribution != NULL && distribution->counts.len == 5);
    CHECK(memcmp(distribution->counts.ptr, counts, sizeof(counts)) == 0);
    CHECK(distribution->sum == 5021);
}

static void what_another_version_kept_counts_as_none(void) {
    sandbeat_test_reset();
    sandbeat_test_file(FILE_PATH, "7");
    sandbeat_test_state("observations", "many", 4);
    sandbeat_test_state("distribution", "", 0);
    CHECK(sandbeat_test_collect());
    CHECK(sandbeat_test_value("{{ident}}.observations") == 1);
    const sandbeat_collector_types_histogram_t *distribution = sandbeat_test_histogram("{{ident}}.length.distribution");
    CHECK(distribution != NULL && distribution->sum == 7);
}

static void it_says_once_that_the_queue_is_empty(void) {
    sandbeat_test_reset();
    const char *lengths[] = {"0", "0", "3", "0"};
    const size_t lines[] = {1, 1, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        sandbeat_test_file(FILE_PATH, lengths[i]);
        CHECK(sandbeat_test_collect());
        CHECK(sandbeat_test_lines(SANDBEAT_COLLECTOR_LOG_LEVEL_INFO) == lines[i]);
    }
}

static void an_error_says_who_must_act(void) {
    sandbeat_test_reset();
    fails(SANDBEAT_DENIED, "`" FILE_PATH "` is not granted; add it to `read` under `[grant]` in the sidecar");
    sandbeat_test_missing(FILE_PATH);
    fails(SANDBEAT_UNAVAILABLE, "`" FILE_PATH "` is not there");
    const char *broken[] = {"", "three", "-1", "1.5", "1 2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        sandbeat_test_file(FILE_PATH, broken[i]);
        fails(SANDBEAT_INTERNAL, FILE_PATH);
    }
}

static void it_is_configured(void) {
    sandbeat_test_reset();
    sandbeat_test_file("/srv/jobs", "1");
    sandbeat_test_config("{\"path\": \"/srv/jobs\", \"name\": \"m\\u00e4il\"}");
    CHECK(sandbeat_test_collect());
    CHECK(is(sandbeat_test_attribute("{{ident}}.length", "{{ident}}.name"), "m\xc3\xa4il"));
    sandbeat_test_config("{\"pth\": \"/srv/jobs\"}");
    fails(SANDBEAT_CONFIG, "`pth` is an unknown key; did you mean `path`?");
    sandbeat_test_config("{\"path\": 5}");
    fails(SANDBEAT_CONFIG, "`path` ");
    sandbeat_test_config("{\"path\": \"jobs\"}");
    fails(SANDBEAT_CONFIG, "`path` ");
    sandbeat_test_config("{\"name\": \"\"}");
    fails(SANDBEAT_CONFIG, "`name` ");
}

int main(void) {
    it_reports_the_length();
    it_goes_on_counting_from_what_it_kept();
    what_another_version_kept_counts_as_none();
    it_says_once_that_the_queue_is_empty();
    an_error_says_who_must_act();
    it_is_configured();
    sandbeat_test_reset();
    puts("6 tests passed");
    return 0;
}
