#ifndef LIB_SSH_SFTPWIRE_H
#define LIB_SSH_SFTPWIRE_H

/* SFTP version 3 (draft-ietf-secsh-filexfer-02): numbers, strings, attributes. */

#include <stdbool.h>

#include <bascule/ssh.h>

enum sftp_type {
	SFTP_INIT = 1,
	SFTP_VERSION = 2,
	SFTP_OPEN = 3,
	SFTP_CLOSE = 4,
	SFTP_READ = 5,
	SFTP_WRITE = 6,
	SFTP_LSTAT = 7,
	SFTP_FSTAT = 8,
	SFTP_SETSTAT = 9,
	SFTP_FSETSTAT = 10,
	SFTP_OPENDIR = 11,
	SFTP_READDIR = 12,
	SFTP_REMOVE = 13,
	SFTP_MKDIR = 14,
	SFTP_RMDIR = 15,
	SFTP_REALPATH = 16,
	SFTP_STAT = 17,
	SFTP_RENAME = 18,
	SFTP_READLINK = 19,
	SFTP_SYMLINK = 20,
	SFTP_STATUS = 101,
	SFTP_HANDLE = 102,
	SFTP_DATA = 103,
	SFTP_NAME = 104,
	SFTP_ATTRS = 105,
	SFTP_EXTENDED = 200,
	SFTP_EXTENDED_REPLY = 201
};

enum sftp_status {
	SFTP_OK = 0,
	SFTP_EOF = 1,
	SFTP_NO_SUCH_FILE = 2,
	SFTP_PERMISSION_DENIED = 3,
	SFTP_FAILURE = 4,
	SFTP_NO_CONNECTION = 6,
	SFTP_CONNECTION_LOST = 7,
	SFTP_UNSUPPORTED = 8,
	SFTP_EXISTS = 11, /* this and the next two are of later versions */
	SFTP_NO_SPACE = 14,
	SFTP_QUOTA = 15
};

#define SFTP_OPEN_READ  0x01U
#define SFTP_OPEN_WRITE 0x02U
#define SFTP_OPEN_CREAT 0x08U
#define SFTP_OPEN_EXCL  0x20U

#define SFTP_HANDLE_BYTES_MAX 256

/* A message's body.  What is not there reads as 0 and makes it `bad`. */
struct sftp_reader {
	const uint8_t *at;
	size_t left_bytes;
	bool bad;
};

uint32_t sftpwire_u32(struct sftp_reader *r);
uint64_t sftpwire_u64(struct sftp_reader *r);
/* A string within the message, borrowed from it. */
const uint8_t *sftpwire_string(struct sftp_reader *r, size_t *len_bytes);
void sftpwire_attr(struct sftp_reader *r, struct sshattr *attr);
/* Whole, and nothing behind it. */
bool sftpwire_is_whole(const struct sftp_reader *r);

enum err_code sftpwire_put_u32(struct buf *b, uint32_t v,
    struct err *e) MUST_CHECK;
enum err_code sftpwire_put_u64(struct buf *b, uint64_t v,
    struct err *e) MUST_CHECK;
enum err_code sftpwire_put_string(struct buf *b, const void *bytes,
    size_t len_bytes, struct err *e) MUST_CHECK;
enum err_code sftpwire_put_text(struct buf *b, const char *text,
    struct err *e) MUST_CHECK;
/* Attributes: a mode and nothing else. */
enum err_code sftpwire_put_mode(struct buf *b, uint32_t mode,
    struct err *e) MUST_CHECK;
/* What it has; of the mode only 07777. */
enum err_code sftpwire_put_attr(struct buf *b, const struct sshattr *a,
    struct err *e) MUST_CHECK;

#endif
