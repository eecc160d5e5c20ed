"""What a folder holds, in one line: to compare it with itself later."""
import hashlib
import os


def digest(folder):
    """Names, kinds, modes, times and bytes of all below."""
    h = hashlib.sha256()
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names) + folders:
            path = os.path.join(top, name)
            st = os.lstat(path)
            h.update(f"{os.path.relpath(path, folder)} {st.st_mode:o} "
                     f"{st.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    h.update(hashlib.sha256(f.read()).digest())
    return h.hexdigest()
