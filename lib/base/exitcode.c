#include <bascule/base/exitcode.h>

#include <string.h>

enum exitcode
exitcode_of(enum err_code code)
{
	switch (code) {
	case ERR_NONE: return EXITCODE_DONE;
	case ERR_BUSY: return EXITCODE_BUSY;
	case ERR_TIMEOUT: return EXITCODE_TRY_AGAIN;
	case ERR_REFUSED: return EXITCODE_NOT_ALLOWED;
	case ERR_INPUT: return EXITCODE_USAGE;
	case ERR_POLICY: return EXITCODE_POLICY;
	case ERR_KEY: return EXITCODE_KEY;
	case ERR_CORRUPT: return EXITCODE_DAMAGE;
	case ERR_TOONEW: return EXITCODE_TOO_NEW;
	case ERR_NOSPACE: return EXITCODE_NO_SPACE;
	case ERR_NOTFOUND:
	case ERR_EXISTS:
	case ERR_IO:
	case ERR_NOMEM:
	case ERR_CANCELLED: return EXITCODE_FAILED;
	}
	return EXITCODE_FAILED;
}

int
exitcode_signal(int status)
{
	int number = status - EXITCODE_SIGNAL;

	return number > 0 && sigabbrev_np(number) != NULL ? number : 0;
}
