// The SDK through the eyes of a collector that does what the test at hand wants.

#include "internal.h"
#include "sandbeat_testing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const sandbeat_key KEY = {"test.key", "A key."};
static const sandbeat_metric SIZE = {
    .kind = SANDBEAT_GAUGE,
    .name = "test.size",
    .unit = "By",
    .description = "A size.",
    .keys = {&KEY},
};
static const sandbeat_metric RUNS = {.kind = SANDBEAT_COUNTER, .name = "test.runs", .unit = "{run}", .description = "."};
static const sandbeat_metric TIME = {
    .kind = SANDBEAT_HISTOGRAM,
    .name = "test.time",
    .unit = "s",
    .description = "A time.",
    SANDBEAT_BOUNDS(0.1, 1),
};
static const sandbeat_metric OTHER_TIME = {
    .kind = SANDBEAT_HISTOGRAM,
    .name = "test.time",
    .unit = "s",
    .description = "A time.",
    SANDBEAT_BOUNDS(0.2, 1),
};
static const sandbeat_metadata FACT = {"test.fact", "A fact."};

const sandbeat_description sandbeat_collector = {
    .version = "1.2.3",
    .summary = "A test.",
    SANDBEAT_METRICS(&SIZE, &RUNS, &TIME),
    SANDBEAT_METADATA(&FACT),
    .others = "More.",
};

static sandbeat_result (*behaviour)(sandbeat_contribution *out);

sandbeat_result sandbeat_collect(sandbeat_contribution *out) {
    return behaviour(out);
}

static bool collect(sandbeat_result (*wanted)(sandbeat_contribution *out)) {
    behaviour = wanted;
    return sandbeat_test_collect();
}

// --- Contributions ---

static sandbeat_result many(sandbeat_contribution *out) {
    for (int i = 0; i < 100; i++) {
        sandbeat_add(out, &SIZE, i);
        for (int j = 0; j <= i % 16; j++) {
            sandbeat_attribute_named(out, sandbeat_format("k%d", j), sandbeat_format("%d", i));
        }
        sandbeat_add_metadata(out, &FACT, sandbeat_format("%d", i));
    }
    sandbeat_add_named(out, SANDBEAT_COUNTER, sandbeat_format("test.%s", "named"), "1", 7);
    sandbeat_attribute(out, &KEY, "a\xff\xc0\x80z\xed\xa0\x80");
    return SANDBEAT_OK;
}

static void a_contribution_grows(void) {
    sandbeat_test_reset();
    CHECK(collect(many));
    const exports_sandbeat_collector_guest_contribution_t *contribution = sandbeat_test_contribution();
    CHECK(contribution->metrics.len == 101 && contribution->metadata.len == 100);
    for (size_t i = 0; i < 100; i++) {
        const sandbeat_collector_types_metric_t *point = &contribution->metrics.ptr[i];
        CHECK(point->value.val.gauge == (double)i && point->attributes.len == i % 16 + 1);
        CHECK(point->name.len == strlen("test.size"));
        CHECK(atoi((const char *)point->attributes.ptr[i % 16].value.ptr) == (int)i);
        CHECK(atoi((const char *)contribution->metadata.ptr[i].value.ptr) == (int)i);
    }
    CHECK(sandbeat_test_value("test.named") == 7 && isnan(sandbeat_test_value("none")));
}

static void bytes_that_are_no_text_are_replaced(void) {
    sandbeat_test_reset();
    CHECK(collect(many));
    const char *expected = "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    CHECK(strcmp(sandbeat_test_attribute("test.named", "test.key"), expected) == 0);
    const char *texts[] = {"", "é", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xee\x80\x80"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(sandbeat_is_text((const uint8_t *)texts[i], strlen(texts[i])));
    }
    const char *others[] = {"\x80", "\xc3", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK(!sandbeat_is_text((const uint8_t *)others[i], strlen(others[i])));
    }
    CHECK(!sandbeat_is_text((const uint8_t *)"a\0b", 3));
}

static void the_description_is_what_was_declared(void) {
    sandbeat_test_reset();
    exports_sandbeat_collector_guest_description_t described;
    exports_sandbeat_collector_guest_error_t error;
    CHECK(exports_sandbeat_collector_guest_describe(&described, &error));
    CHECK(described.metrics.len == 3 && described.metadata.len == 1 && described.others.is_some);
    CHECK(described.metrics.ptr[0].attributes.len == 1 && described.metrics.ptr[1].attributes.len == 0);
    CHECK(described.metrics.ptr[2].kind == SANDBEAT_COLLECTOR_TYPES_KIND_HISTOGRAM);
    CHECK(memcmp(described.version.ptr, "1.2.3", described.version.len) == 0);
}

// --- Kept values ---

static sandbeat_result measure(sandbeat_contribution *out) {
    SANDBEAT_TRY(sandbeat_count(out, &RUNS, "runs", 2));
    sandbeat_observe(out, &TIME, "time", 0.1);
    sandbeat_observe(out, &TIME, "time", NAN);
    out->metrics.len = 1;
    return sandbeat_observe(out, &TIME, "time", 5);
}

static sandbeat_result measure_otherwise(sandbeat_contribution *out) {
    return sandbeat_observe(out, &OTHER_TIME, "time", 0.2);
}

static sandbeat_result sweep(sandbeat_contribution *out) {
    const char *const *keys;
    size_t count;
    sandbeat_state_delete("runs");
    SANDBEAT_TRY(sandbeat_state_set("a", "", 0));
    sandbeat_state_keys(&keys, &count);
    CHECK(count == 2 && strcmp(keys[0], "a") == 0 && strcmp(keys[1], "time") == 0);
    (void)out;
    return SANDBEAT_OK;
}

static sandbeat_result fill(sandbeat_contribution *out) {
    (void)out;
    return sandbeat_state_set("big", sandbeat_alloc(65536), 65536);
}

static void kept_values_go_on(void) {
    sandbeat_test_reset();
    CHECK(collect(measure) && collect(measure));
    CHECK(sandbeat_test_value("test.runs") == 4);
    const sandbeat_collector_types_histogram_t *time = sandbeat_test_histogram("test.time");
    const uint64_t counts[] = {2, 0, 2};
    CHECK(time->counts.len == 3 && memcmp(time->counts.ptr, counts, sizeof(counts)) == 0);
    CHECK(fabs(time->sum - 10.2) < 1e-9);
    CHECK(collect(measure_otherwise));
    CHECK(sandbeat_test_histogram("test.time")->counts.ptr[0] == 1 && sandbeat_test_histogram("test.time")->sum == 0.2);
    CHECK(collect(sweep));
    CHECK(!collect(fill));
    CHECK(strcmp(sandbeat_test_error()->text, "the state would pass 65536 bytes") == 0);
    sandbeat_test_limits(&(sandbeat_collector_limits_limits_t){.state = 100000});
    CHECK(collect(fill));
}

// --- Files ---

static sandbeat_result look(sandbeat_contribution *out) {
    sandbeat_bytes part;
    const char *text;
    const sandbeat_entry *entries;
    size_t count;
    sandbeat_collector_files_info_t info;
    SANDBEAT_TRY(sandbeat_read_at("/a/b", 2, 3, &part));
    CHECK(part.length == 3 && memcmp(part.data, "234", 4) == 0);
    SANDBEAT_TRY(sandbeat_read_at("/a/b", 20, 3, &part));
    CHECK(part.length == 0 && part.data[0] == 0);
    SANDBEAT_TRY(sandbeat_read("/a/empty", &part));
    CHECK(part.length == 0 && part.data[0] == 0);
    SANDBEAT_TRY(sandbeat_list("/a", &entries, &count));
    CHECK(count == 3 && strcmp(entries[0].name, "b") == 0 && strcmp(entries[1].name, "c") == 0);
    CHECK(entries[1].kind == SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_DIRECTORY);
    SANDBEAT_TRY(sandbeat_stat("/a/b", &info));
    CHECK(info.size == 10 && info.kind == SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_FILE);
    CHECK(sandbeat_read_text("/a/c/d", &text)->kind == SANDBEAT_INTERNAL);
    CHECK(sandbeat_read_text("/a/zero", &text)->file == SANDBEAT_COLLECTOR_FILES_FILE_ERROR_NOT_FOUND);
    CHECK(sandbeat_read_text("/a/c", &text)->file == SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE);
    (void)out;
    return sandbeat_read_text("/etc/shadow", &text);
}

static void files_are_read_as_the_agent_lets_them(void) {
    sandbeat_test_reset();
    sandbeat_test_file("/a/b", "0123456789");
    sandbeat_test_file("/a/empty", "");
    sandbeat_test_file_bytes("/a/c/d", "a\0b", 3);
    sandbeat_test_file("/a/c/e", "");
    sandbeat_test_missing("/a/zero");
    CHECK(!collect(look));
    CHECK(sandbeat_test_error()->kind == SANDBEAT_DENIED);
}

// --- Configuration ---

static sandbeat_result configured(sandbeat_contribution *out) {
    const char *text = "default";
    int64_t integer = 1;
    double number = 1;
    bool flag = false;
    SANDBEAT_TRY(sandbeat_config_string("absent", &text));
    CHECK(strcmp(text, "default") == 0);
    SANDBEAT_TRY(sandbeat_config_string("http.host", &text));
    SANDBEAT_TRY(sandbeat_config_integer("http.port", &integer));
    SANDBEAT_TRY(sandbeat_config_integer("least", &integer));
    CHECK(integer == INT64_MIN);
    SANDBEAT_TRY(sandbeat_config_number("ratio", &number));
    SANDBEAT_TRY(sandbeat_config_bool("flag", &flag));
    CHECK(strcmp(text, "a\"\\/\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd") == 0);
    CHECK(number == -1.5e3 && flag);
    SANDBEAT_TRY(sandbeat_config_string("", &text));
    SANDBEAT_TRY(sandbeat_config_string("flag.deeper", &text));
    CHECK(sandbeat_config_string("zero", &text)->kind == SANDBEAT_CONFIG);
    CHECK(strcmp(sandbeat_config_integer("ratio", &integer)->text, "`ratio` is -1.5e3; it has to be an integer") == 0);
    CHECK(strcmp(sandbeat_config_string("list", &text)->text, "`list` is [1, {\"a\": \"]\"}]; it has to be a string") == 0);
    CHECK(sandbeat_config_integer("more", &integer) != SANDBEAT_OK);
    CHECK(sandbeat_config_number("flag", &number) != SANDBEAT_OK);
    CHECK(sandbeat_config_bool("ratio", &flag) != SANDBEAT_OK);
    (void)out;
    return SANDBEAT_OK;
}

static void settings_have_their_types(void) {
    sandbeat_test_reset();
    sandbeat_test_config("{\"list\": [1, {\"a\": \"]\"}], \"http\" : {\"port\": 80, \"h\\u006fst\": "
                         "\"a\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\\ud83d\"}, \"ratio\": -1.5e3,\"flag\":true, "
                         "\"least\": -9223372036854775808, \"more\": 9223372036854775808, \"zero\": \"a\\u0000\"}");
    CHECK(collect(configured));
    const char *broken[] = {"", "{", "[1]", "{\"a\"}", "{\"a\" 1}", "{\"b\": \"", "{\"b\": [\"a\": 1", "{\"b\": 1 2}"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        CHECK(sandbeat_json_find(broken[i], "a") == NULL && sandbeat_json_find(broken[i], "a.b") == NULL);
    }
}

static const char *refused(const char *config, const char *const *known) {
    sandbeat_test_config(config);
    sandbeat_result result = sandbeat_config_only(known);
    return result == SANDBEAT_OK ? "" : result->text;
}

static sandbeat_result misspelt(sandbeat_contribution *out) {
#define KNOWN "known here: interfaces, http.timeout, http.host, prices"
    const char *const known[] = {"interfaces", "http.timeout", "http.host", "prices", NULL};
    const char *cases[][2] = {
        {"{}", ""},
        {"{\"interfaces\": [1], \"http\": {\"timeout\" : 5}, \"prices\": {\"a.b\": 1}}", ""},
        {"{\"intefaces\": 1}", "`intefaces` is an unknown key; did you mean `interfaces`? " KNOWN},
        {"{\"itnerfaces\": 1}", "`itnerfaces` is an unknown key; did you mean `interfaces`? " KNOWN},
        {"{\"prices\": {}, \"colour\": 1}", "`colour` is an unknown key; " KNOWN},
        {"{\"http\": {\"hots\": 1}}", "`http.hots` is an unknown key; did you mean `http.host`? " KNOWN},
        {"{\"http\": {\"host.name\": 1}}", "`http.\"host.name\"` is an unknown key; " KNOWN},
        {"{\"\": 1}", "`\"\"` is an unknown key; " KNOWN},
        {"{\"http\": \"h\"}", "`http` is \"h\"; it has to be a table"},
        {"{\"prices\\u0000\": 1}", "`prices` is an unknown key; did you mean `prices`? " KNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(strcmp(refused(cases[i][0], known), cases[i][1]) == 0);
    }
    const char *long_one = sandbeat_format("{\"%s%s\": 1}", "interfacesinterfacesinterfacesinterfaces",
                                           "interfacesinterfacesinterfacesinterfaces");
    CHECK(strstr(refused(long_one, known), "did you mean") == NULL);
    CHECK(strcmp(refused("{\"a\": 1}", &known[4]), "`a` is an unknown key; this collector has none") == 0);
    sandbeat_test_config("{\"name\": 1}");
    (void)out;
    return SANDBEAT_CONFIG_ONLY("path", "name");
}

static void an_unknown_key_is_named_with_the_one_that_was_meant(void) {
    sandbeat_test_reset();
    CHECK(collect(misspelt));
}

static void numbers_are_read_whole(void) {
    uint64_t value = 0;
    CHECK(sandbeat_parse_u64(" 18446744073709551615\n", &value) && value == UINT64_MAX);
    const char *others[] = {"", " ", "+1", "-1", "1x", "1 2", "0x1", "18446744073709551616", "1.0"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK(!sandbeat_parse_u64(others[i], &value));
    }
    CHECK(value == UINT64_MAX);
}

static void lines_have_their_level(void) {
    sandbeat_test_reset();
    sandbeat_log_trace("%d", 1);
    sandbeat_log_error("%s \xff", "bad");
    CHECK(sandbeat_test_lines(SANDBEAT_COLLECTOR_LOG_LEVEL_TRACE) == 2);
    CHECK(sandbeat_test_lines(SANDBEAT_COLLECTOR_LOG_LEVEL_ERROR) == 1);
    CHECK(strcmp(sandbeat_test_last_line(), "bad \xef\xbf\xbd") == 0);
}

int main(void) {
    a_contribution_grows();
    bytes_that_are_no_text_are_replaced();
    the_description_is_what_was_declared();
    kept_values_go_on();
    files_are_read_as_the_agent_lets_them();
    settings_have_their_types();
    an_unknown_key_is_named_with_the_one_that_was_meant();
    numbers_are_read_whole();
    lines_have_their_level();
    sandbeat_test_reset();
    puts("9 tests passed");
    return 0;
}
