#!/bin/sh
# suites.sh tests/unit/M/test_U.c...: writes the program that runs
# suite_M_U() of each; its arguments name the modules to run (default: all).
names() {
	for f; do
		m=${f#*unit/}; u=${m#*/test_}
		echo "${m%%/*} ${u%.c}"
	done
}
echo '#include <check.h>'
echo '#include <signal.h>'
echo '#include <stdbool.h>'
echo '#include <stdlib.h>'
echo '#include <string.h>'
names "$@" | while read -r m u; do echo "Suite *suite_${m}_$u(void);"; done
cat <<'END'
static bool
wanted(const char *module, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], module) == 0)
			return true;
	return argc == 1;
}
int
main(int argc, char **argv)
{
	SRunner *sr = srunner_create(NULL);
	int failed;

	signal(SIGPIPE, SIG_IGN); /* as both programs do */
END
names "$@" | while read -r m u; do
	printf '\tif (wanted("%s", argc, argv))\n' "$m"
	printf '\t\tsrunner_add_suite(sr, suite_%s_%s());\n' "$m" "$u"
done
cat <<'END'
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
END
