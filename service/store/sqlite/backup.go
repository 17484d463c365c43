package sqlite

import (
	"archive/tar"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/service/store"
)

// backupFiles are the files of a backup in their order. The scans are copied first: what
// they refer to in the advisories is then in the copy of these.
func backupFiles() []string { return []string{"ledger.db", "advisories.db"} }

// Backup writes a copy of the store in the folder dir to w, as a tar archive of its two
// databases. The store may be in use: each database is copied in the state that it has
// at one moment. The copies are made in a folder beside the databases, so the disk needs
// room for them.
func Backup(ctx context.Context, dir string, w io.Writer) (err error) {
	if dir, err = filepath.Abs(dir); err != nil { // a data source needs it
		return fmt.Errorf("back up: %w", err)
	}
	temp, remove, err := workFolder(dir, "backup-")
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	archive := tar.NewWriter(w)
	for _, name := range backupFiles() {
		path := filepath.Join(temp, name)
		if err := vacuumInto(ctx, filepath.Join(dir, name), path); err != nil {
			return fmt.Errorf("back up %q: %w", name, damaged(err))
		}
		if err := addFile(archive, path, name); err != nil {
			return fmt.Errorf("back up %q: %w", name, err)
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("back up %q: %w", name, err)
		}
	}
	return archive.Close()
}

// workFolder makes a folder in dir that the caller locks and removes. First it removes
// those of processes that were killed.
func workFolder(dir, prefix string) (path string, remove func() error, err error) {
	old, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return "", nil, err
	}
	for _, path := range old {
		unlock, err := lock(filepath.Join(path, "lock"))
		if err != nil {
			continue // in use, or not a folder of this kind
		}
		if err := errors.Join(os.RemoveAll(path), unlock()); err != nil {
			return "", nil, fmt.Errorf("remove the remains of a process that was killed: %w", err)
		}
	}
	path, err = os.MkdirTemp(dir, prefix)
	if err != nil {
		return "", nil, err
	}
	unlock, err := lock(filepath.Join(path, "lock"))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(path))
	}
	return path, func() error { return errors.Join(os.RemoveAll(path), unlock()) }, nil
}

// vacuumInto makes a compact copy of a database, which free pages of it do not enlarge.
func vacuumInto(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dataSource(from, time.Minute))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// The copy can give free pages back, also where the original cannot.
	if _, err := conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

func addFile(archive *tar.Writer, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime(), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// Restore makes a store in the folder dir, which must not hold one, of a backup. The
// databases appear only when the whole archive was read and both can be opened. Rows are
// checked when they are read, or by Verify.
func Restore(ctx context.Context, dir string, r io.Reader) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := removeRestored(dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, name := range backupFiles() {
		// SQLite would apply the log of an earlier database to the restored one.
		for _, ending := range []string{"", "-wal", "-shm", "-journal"} {
			path := filepath.Join(dir, name+ending)
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("restore: %q: %w", path, cmp.Or(err, fs.ErrExist))
			}
		}
	}
	temp, remove, err := workFolder(dir, "restore-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	archive := tar.NewReader(r)
	for _, want := range backupFiles() {
		head, err := archive.Next()
		if err != nil {
			return fmt.Errorf("restore: read the backup: %w: %w", store.ErrDamaged, err)
		}
		if head.Name == want && (head.Typeflag != tar.TypeReg || head.Size == 0) {
			return fmt.Errorf("restore: not a backup of assayd: %q is empty, or not a regular file", want)
		}
		if head.Name != want {
			return fmt.Errorf("restore: not a backup of assayd: it has %q in place of %q", head.Name, want)
		}
		if err := writeFile(filepath.Join(temp, want), archive); err != nil {
			return fmt.Errorf("restore %q: %w", want, err)
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return errors.New("restore: not a backup of assayd: it has more files")
	}
	s, err := Open(temp)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := errors.Join(s.Check(ctx), s.Close()); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := putInPlace(temp, dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// putInPlace moves the databases of a restore from temp to dir, which is marked meanwhile.
func putInPlace(temp, dir string) error {
	mark := filepath.Join(dir, restoringFile)
	if err := writeFile(mark, strings.NewReader("")); err != nil {
		return err
	}
	for _, name := range backupFiles() {
		if err := os.Rename(filepath.Join(temp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.Remove(mark)
}

// restoringFile is a file in a folder of which a restore has moved only some of the
// databases into place.
const restoringFile = "restoring"

// ErrRestoring is returned, wrapped, by Open for such a folder.
var ErrRestoring = errors.New("a restore into this folder has not ended")

func checkRestored(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, restoringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, ErrRestoring)
}

// removeRestored removes what a restore has left behind that was killed between the first
// and the last of its databases. The folder had none before, and was not opened since.
func removeRestored(dir string) error {
	if err := checkRestored(dir); !errors.Is(err, ErrRestoring) {
		return err
	}
	for _, name := range append(backupFiles(), restoringFile) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func writeFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}
