/* Assertions. ASSERT stays in release builds; DASSERT is for kernels and graph walks, in sanitizer
 * builds only. */
#pragma once

_Noreturn void assert_fail(const char *expression, const char *file, int line);
#define ASSERT(x) ((x) ? (void)0 : assert_fail(#x, __FILE__, __LINE__))
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DASSERT(x) ASSERT(x)
#else
#define DASSERT(x) ((void)0)
#endif
