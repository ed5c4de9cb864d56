/*
 * Goal: the fast dot product agrees with the plain one.
 * Method: random unit vectors of many widths, tolerance 1e-5; the same pair always gives the same bits.
 */
#include "store/store_dot.h"
#include "support/store_docs.h"
#include "support/testing.h"

static void test_store_dot__agrees_with_the_reference(void **state)
{
    (void)state;
    static _Alignas(64) float a[4096], b[4096];
    ql__dot_fn all[3];
    size_t ways = ql__dot_all(all);
    assert_ptr_equal(ql__dot_best(), all[0]);
    for (uint32_t floats = 16; floats <= 4096; floats += floats < 512 ? 16 : 512) {
        for (uint64_t round = 0; round < 4; round++) {
            test_vector(QL_STR("left"), round, floats, a);
            test_vector(QL_STR("right"), round * 31 + floats, floats, b);
            if (round == 3) memcpy(b, a, sizeof b);
            for (size_t way = 0; way < ways; way++) {
                assert_true(fabsf(all[way](a, b, floats) - ql__dot_ref(a, b, floats)) < 1e-5f);
                assert_true(all[way](a, b, floats) == all[way](a, b, floats));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store_dot__agrees_with_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
