"""Checkpoint files on disk: found in the cache, or downloaded when asked to.

A file is fetched into ``NAME.part``, verified, and only then renamed to its place:
what has its final name has been whole and right. Whatever goes wrong, a file that
was there before is left alone.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock, Timeout

from napari_sam.checkpoints.errors import BadSource, CheckpointError, TransferFailed
from napari_sam.checkpoints.file_kinds import SAFETENSORS, TORCH_ZIP, name_file_kind
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.registry import format_size
from napari_sam.ops.types import Cancelled, IsCancelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.checkpoints.http_download import ProgressCallback
    from napari_sam.checkpoints.registry import CheckpointSpec

__all__ = ["CACHE_VARIABLE", "CheckpointStore"]

CACHE_VARIABLE = "NAPARI_SAM_CACHE"
"""Environment variable that moves the cache to another folder."""

_BUNDLED_FOLDER = Path(__file__).parent / "weights"
_LOCK_POLL_SECONDS = 0.2
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _ignore(done: int, total: int) -> None:
    """Take progress when nobody asked for it."""


def _never() -> bool:
    return False


class CheckpointStore:
    """The checkpoints on this machine.

    Parameters
    ----------
    cache_dir
        Folder for downloads. By default ``$NAPARI_SAM_CACHE``, else ``checkpoints``
        in the user's cache directory for napari-sam. It is made when needed.
    timeout
        Seconds without data after which a transfer counts as stalled.
    attempts
        How often an address is tried without a byte of advance before the next
        one is.
    retry_wait
        Seconds before the second attempt; doubled for each one after it.
    """

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        timeout: float = 30.0,
        attempts: int = 4,
        retry_wait: float = 1.0,
    ) -> None:
        if timeout <= 0 or attempts < 1 or retry_wait < 0:
            raise ValueError(
                "timeout must be positive, attempts at least 1 and retry_wait not "
                f"negative, got {timeout}, {attempts} and {retry_wait}"
            )
        self._timeout = timeout
        self._attempts = attempts
        self._retry_wait = retry_wait
        if cache_dir is None:
            cache_dir = os.environ.get(CACHE_VARIABLE) or (
                platformdirs.user_cache_path("napari-sam", appauthor=False)
                / "checkpoints"
            )
        self.cache_dir = Path(cache_dir).expanduser()

    def path(self, spec: CheckpointSpec) -> Path:
        """Where the file of `spec` lies or would lie."""
        folder = _BUNDLED_FOLDER if spec.bundled else self.cache_dir
        return folder / spec.filename

    def is_available(self, spec: CheckpointSpec) -> bool:
        """Whether the file is there, at its right size where that is known.

        A quick look, for lists: the content is verified by `download` and by
        `load_sam`.
        """
        try:
            size = self.path(spec).stat().st_size
        except OSError:
            return False
        return size == spec.exact_size if spec.exact_size is not None else size > 0

    def download(
        self,
        spec: CheckpointSpec,
        progress: ProgressCallback | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> Path:
        """Fetch and verify the file of `spec`, unless it is here and right.

        An interrupted download is resumed. Several processes may ask for the same
        file: one fetches it, the others wait for it.

        Parameters
        ----------
        spec
            An entry of the registry.
        progress
            Called as ``progress(done, total)`` with bytes, often.
        is_cancelled
            Asked several times a second.

        Returns
        -------
        Path
            The verified file.

        Raises
        ------
        CheckpointError
            If no address gave the file, it does not have the published hash, or
            the cache cannot be written. Files that were there before are kept.
        Cancelled
            If `is_cancelled` answered True. What has arrived is kept, and the next
            call goes on from there.
        """
        progress = progress or _ignore
        is_cancelled = is_cancelled or _never
        target = self.path(spec)
        if spec.bundled:
            if target.is_file():
                return target
            raise CheckpointError(
                f"{spec.name!r} belongs to the installation, but {target} is missing; "
                "install napari-sam again"
            )
        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
            with _locked(target, is_cancelled):
                if spec.gate is not None:
                    return _fetch_gated(spec, target, progress, is_cancelled)
                if self._is_verified(spec, target, is_cancelled):
                    return target
                self._fetch_verified(spec, target, progress, is_cancelled)
        except OSError as error:
            raise self._disk_error(spec, error) from error
        return target

    def _is_verified(
        self, spec: CheckpointSpec, path: Path, is_cancelled: IsCancelled
    ) -> bool:
        if not path.is_file():
            return False
        if spec.exact_size not in (None, path.stat().st_size):
            return False
        wanted, found = _hashes(spec, path, is_cancelled)
        return wanted == found

    def _fetch_verified(
        self,
        spec: CheckpointSpec,
        target: Path,
        progress: ProgressCallback,
        is_cancelled: IsCancelled,
    ) -> None:
        """Try each address in turn until one gives the right file."""
        partial = target.with_name(f"{target.name}.part")
        self._require_space(spec, partial)
        failures = []
        for url in (spec.url, *spec.mirrors):
            if url is None:
                continue
            try:
                self._fetch_from(url, spec, partial, progress, is_cancelled)
            except (BadSource, TransferFailed) as error:
                failures.append(f"{url}: {error}")
                continue
            partial.replace(target)
            return
        causes = "\n".join(f"- {failure}" for failure in failures)
        kept = (
            f"\n{format_size(partial.stat().st_size)} are kept; the next download goes "
            "on from there."
            if _size(partial)
            else ""
        )
        raise CheckpointError(
            f"{spec.name!r} could not be downloaded:\n{causes}{kept}\nThe file may "
            f"also be fetched by other means and put at {target}"
        )

    def _fetch_from(
        self,
        url: str,
        spec: CheckpointSpec,
        partial: Path,
        progress: ProgressCallback,
        is_cancelled: IsCancelled,
    ) -> None:
        """Get the whole right file into `partial`, or say why this url cannot.

        A partial file of unknown past may be what is wrong, so when a resumed file
        does not verify, it is fetched once more from its first byte.
        """
        resumed = _size(partial) > 0
        self._fetch_whole(url, spec, partial, progress, is_cancelled)
        problem = self._verify(spec, partial, is_cancelled)
        if problem and resumed:
            self._fetch_whole(url, spec, partial, progress, is_cancelled)
            problem = self._verify(spec, partial, is_cancelled)
        if problem:
            raise BadSource(problem)

    def _fetch_whole(
        self,
        url: str,
        spec: CheckpointSpec,
        partial: Path,
        progress: ProgressCallback,
        is_cancelled: IsCancelled,
    ) -> None:
        """Fetch with retries; they are counted anew whenever the file has grown."""
        # what it is built on is not imported where nothing is downloaded
        from napari_sam.checkpoints.http_download import fetch

        if spec.exact_size is not None:
            if _size(partial) > spec.exact_size:
                partial.unlink()
            elif _size(partial) == spec.exact_size:
                return
        failed, longest = 0, _size(partial)
        while True:
            try:
                return fetch(
                    url,
                    partial,
                    exact_size=spec.exact_size,
                    expected_size=spec.size or 0,
                    timeout=self._timeout,
                    progress=progress,
                    is_cancelled=is_cancelled,
                )
            except TransferFailed:
                size = _size(partial)
                failed = 1 if size > longest else failed + 1
                longest = max(size, longest)
                if failed >= self._attempts:
                    raise
            _wait(self._retry_wait * 2 ** (failed - 1), is_cancelled)

    def _verify(
        self, spec: CheckpointSpec, partial: Path, is_cancelled: IsCancelled
    ) -> str:
        """Say what is wrong with a fetched file, removing it; empty when it is right.

        Only what this download wrote is removed: a wrong partial file would be
        resumed for ever.
        """
        wanted, found = _hashes(spec, partial, is_cancelled)
        if wanted == found:
            return ""
        kind = name_file_kind(partial)
        what = "" if kind in (TORCH_ZIP, SAFETENSORS) else f" (it is {kind})"
        partial.unlink()
        return (
            f"sent a file{what} with the wrong hash: published is {wanted}, received "
            f"was {found}"
        )

    def _require_space(self, spec: CheckpointSpec, partial: Path) -> None:
        if spec.size is None:
            return
        needed = spec.size - _size(partial)
        free = shutil.disk_usage(self.cache_dir).free
        if free < needed:
            raise CheckpointError(
                f"{spec.name!r} needs {format_size(needed)} more on the disk of "
                f"{self.cache_dir}, where {format_size(free)} are free; make room, or "
                f"set {CACHE_VARIABLE} to a folder on another disk"
            )

    def _disk_error(self, spec: CheckpointSpec, error: OSError) -> CheckpointError:
        if error.errno in _DISK_FULL:
            return CheckpointError(
                f"the disk of {self.cache_dir} is full; what has arrived of "
                f"{spec.name!r} is kept. Make room, or set {CACHE_VARIABLE} to a "
                "folder on another disk"
            )
        return CheckpointError(
            f"cannot write {spec.name!r} to {self.cache_dir} ({error}); set "
            f"{CACHE_VARIABLE} to a folder that can be written"
        )


def _fetch_gated(
    spec: CheckpointSpec,
    target: Path,
    progress: ProgressCallback,
    is_cancelled: IsCancelled,
) -> Path:
    """Fetch the folder of a model that is given on request only."""
    from napari_sam.checkpoints.gated_download import fetch_gated

    if not target.is_dir():
        fetch_gated(spec, target, progress, is_cancelled)
    return target


@contextmanager
def _locked(target: Path, is_cancelled: IsCancelled) -> Iterator[None]:
    """Hold the lock of one file, against other processes and threads."""
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    while not lock.is_locked:
        if is_cancelled():
            raise Cancelled
        with suppress(Timeout):
            lock.acquire(timeout=_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _wait(seconds: float, is_cancelled: IsCancelled) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if is_cancelled():
            raise Cancelled
        time.sleep(min(left, 0.1))


def _hashes(
    spec: CheckpointSpec, path: Path, is_cancelled: IsCancelled
) -> tuple[str, str]:
    """Return the published hash of `spec` and that of a file, as ``name:hex``."""
    if spec.hash is None:
        raise CheckpointError(f"{spec.name!r} has no published hash to verify it by")
    algorithm = spec.hash.partition(":")[0]
    found = hash_file(path, (algorithm,), is_cancelled)[algorithm]
    return spec.hash, f"{algorithm}:{found}"
