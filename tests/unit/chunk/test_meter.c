/* The meter's answers against measuring the whole text, and how much it measures to give them. */
#include "support/chunk_check.h"

#include "chunk/meter.h"

static void test_meter__counts_like_one_measurement_of_everything(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    check_seed = 3;
    while (text.len < 1200000) ql_buf_append(&text, check_random(5) ? QL_STR("word ") : QL_STR("averylongword, "));
    size_t total = check_tokens(NULL, ql_buf_str(&text), NULL, 0), sum = 0;
    uint32_t *starts = ql__realloc_array(NULL, total, sizeof *starts);
    (void)check_tokens(NULL, ql_buf_str(&text), starts, total);
    ql__meter meter;
    assert_int_equal(ql__meter_init(&meter, &check_measure_tokens, ql_buf_str(&text), 5000, NULL), QL_OK);
    for (uint64_t at = 0; at < text.len;) {
        uint64_t end = at + 3000 < text.len ? at + 3000 : text.len;
        while (end < text.len && text.ptr[end - 1] != ' ') end++;
        ql__meter_move(&meter, at, 5000);
        size_t units = ql__meter_count(&meter, at, end);
        assert_int_equal(ql__meter_exact(&meter, at, end), units);
        assert_int_equal(ql__meter_forward(&meter, at, 7), sum + 7 < total ? starts[sum + 7] : text.len);
        assert_int_equal(ql__meter_backward(&meter, end, 3), starts[sum + units - 3]);
        sum += units;
        at = end;
    }
    assert_int_equal(sum, total);
    /* Once through the windows, once through the exact counts above, and a bit where windows overlap. */
    assert_true(meter.measured_bytes < text.len * 9 / 4);
    ql__meter_dispose(&meter);
    ql__free(starts);
    ql_buf_dispose(&text);
}

static void test_meter__answers_at_the_ends_of_its_window(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    ql_buf_append(&text, QL_STR("\n\n\n"));
    while (text.len < 1200000) ql_buf_append(&text, QL_STR("\nword"));
    ql__meter meter;
    assert_int_equal(ql__meter_init(&meter, &check_measure_tokens, ql_buf_str(&text), 5000, NULL), QL_OK);
    ql__meter_move(&meter, 0, 5000);
    assert_int_equal(ql__meter_backward(&meter, 2, 3), 2); /* no unit begins before it */
    assert_int_equal(ql__meter_backward(&meter, 7, 3), 4); /* fewer units than asked for */
    ql__meter_move(&meter, 1000003, 5000); /* far behind what was measured: nothing in between is */
    assert_int_equal(meter.window_begin, 1000003);
    assert_true(meter.measured_bytes < 600000);
    assert_int_equal(ql__meter_count(&meter, 1000003, 1000053), 10);
    ql__meter_dispose(&meter);
    ql_buf_dispose(&text);
}

/* A megabyte of one word: a window then ends anywhere, but not inside a character. */
static void test_meter__cuts_windows_without_white_space_at_a_character(void **state)
{
    (void)state;
    ql_buf text = QL_BUF_INIT;
    while (text.len < 1000000) ql_buf_append(&text, QL_STR("\xe6\x97\xa5"));
    ql__meter meter;
    assert_int_equal(ql__meter_init(&meter, ql__measure_characters(), ql_buf_str(&text), 5000, NULL), QL_OK);
    ql__meter_move(&meter, 0, 5000);
    assert_true(meter.window_end > 200000 && meter.window_end < 300000);
    assert_int_equal(meter.window_end % 3, 0);
    assert_int_equal(ql__meter_count(&meter, 0, meter.window_end), meter.window_end / 3);
    ql__meter_dispose(&meter);
    ql_buf_dispose(&text);
}

static void test_meter__counts_code_points_by_default(void **state)
{
    (void)state;
    const ql_measure *characters = ql__measure_characters();
    uint32_t starts[3] = {9, 9, 9};
    assert_int_equal(characters->units_fn(NULL, QL_STR("a\xc3\xa9\xf0\x9f\x98\x80z"), starts, 3), 4);
    assert_int_equal(starts[1], 1);
    assert_int_equal(starts[2], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter__counts_like_one_measurement_of_everything),
        cmocka_unit_test(test_meter__answers_at_the_ends_of_its_window),
        cmocka_unit_test(test_meter__cuts_windows_without_white_space_at_a_character),
        cmocka_unit_test(test_meter__counts_code_points_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
