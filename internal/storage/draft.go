// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrSource: the file to be written is one of those it would be made of.
var ErrSource = errors.New("it is what would be read, and would be destroyed")

// Draft is a file that gets its name, and takes the place of what has that name
// now, when it is complete. A block device is written where it is.
type Draft struct {
	*OSFile
	dir, name string  // where it goes; links in the path are followed
	old       *OSFile // what has the name, locked; nil: nothing
	temporary string  // name it has meanwhile; empty: none. Changed under names
	published bool
}

// names is held while a draft takes a name or gives one up. Those in temporaries
// are the ones that a process that ends now would leave behind.
var (
	names       sync.Mutex
	temporaries = map[*Draft]bool{}
)

// ErrTooSmall is a block device that has no room for what is to be written.
var ErrTooSmall = errors.New("the device is too small")

// Blank reports whether the draft is a file that began empty: what is not written
// of it reads as zeros. A block device holds what it held.
func (d *Draft) Blank() bool { return d.kind == unix.S_IFREG }

// AbandonDrafts removes what the drafts of this process have in folders. It is for
// a process that ends at once: no draft is published after that, and calls of
// Publish don't return. A draft that is just taking its name gets it first.
func AbandonDrafts() {
	names.Lock() // for good
	removeTemporaries()
}

func removeTemporaries() {
	for d := range temporaries {
		_ = os.Remove(d.temporary)
	}
}

// setTemporary notes the name that d has meanwhile; empty: none. The caller holds
// names.
func (d *Draft) setTemporary(name string) {
	d.temporary = name
	if name == "" {
		delete(temporaries, d)
	} else {
		temporaries[d] = true
	}
}

// NewDraft begins a file for path, opened for writing and locked. If something
// is there already the answer is ErrExists, with force it is replaced by
// Publish, unless somebody uses it or it is one of sources (ErrSource), by
// whatever name. Nothing at path changes before Publish.
func NewDraft(path string, force bool, sources ...*OSFile) (*Draft, error) {
	for _, s := range sources {
		if s.Is(path) {
			return nil, fmt.Errorf("%s is %s: %w; choose another name", path, s.Path(), ErrSource)
		}
	}
	d, err := newDraft(path, force)
	if err != nil {
		return nil, describe("create", path, err)
	}
	return d, nil
}

func newDraft(path string, force bool) (*Draft, error) {
	k, err := statKind(path)
	_, there := os.Lstat(path)
	switch {
	case there != nil: // nothing, or nothing that can be seen: the rest says what
		return begin(filepath.Dir(path), filepath.Base(path), path)
	case !force:
		return nil, fmt.Errorf("%s: %w; choose another name, or overwrite it with --force", path, ErrExists)
	case err != nil: // a link that leads nowhere
		return nil, err
	}
	old, err := open(path, Options{}, 0)
	if err != nil {
		return nil, err
	}
	if k == unix.S_IFBLK || old.kind == unix.S_IFBLK {
		return &Draft{OSFile: old, published: true}, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, errors.Join(err, old.Close())
	}
	d, err := begin(filepath.Dir(real), filepath.Base(real), path)
	if err != nil {
		return nil, errors.Join(err, old.Close())
	}
	d.old = old
	return d, nil
}

// begin makes the file: without a name, so that a death leaves nothing, or
// where the file system has no such thing with one of its own.
func begin(dir, name, path string) (*Draft, error) {
	d := &Draft{dir: dir, name: name}
	fd, err := openNew(dir, unix.O_TMPFILE|unix.O_RDWR)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		names.Lock()
		other := d.otherName()
		if fd, err = openNew(other, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL); err == nil {
			d.setTemporary(other)
		}
		names.Unlock()
	}
	if err != nil {
		return nil, err
	}
	d.OSFile = &OSFile{path: path, fd: fd, direct: -1, kind: unix.S_IFREG}
	if err := d.lock(writerLocks); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func openNew(path string, flags int) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, createMode)
		return err
	})
	return fd, err
}

func (d *Draft) otherName() string {
	return filepath.Join(d.dir, fmt.Sprintf(".%.200s.%016x", d.name, rand.Uint64()))
}

// Publish makes all that was written durable and gives it the name.
func (d *Draft) Publish() error {
	if err := d.Datasync(); err != nil || d.published {
		return err
	}
	if err := d.publish(); err != nil {
		return describe("create", d.path, err)
	}
	d.published = true
	return syncDir(d.dir)
}

func (d *Draft) publish() error {
	names.Lock()
	defer names.Unlock()
	to := filepath.Join(d.dir, d.name)
	if d.old == nil {
		return d.takeName(to)
	}
	if err := d.inherit(); err != nil {
		return err
	}
	if d.temporary == "" {
		other := d.otherName()
		if err := d.takeName(other); err != nil {
			return err
		}
		d.setTemporary(other)
	}
	err := os.Rename(d.temporary, to)
	if err == nil {
		d.setTemporary("")
	}
	return err
}

// takeName names the file, if nothing has that name.
func (d *Draft) takeName(to string) error {
	from := d.temporary
	if from == "" {
		from = "/proc/self/fd/" + strconv.Itoa(d.fd)
	}
	err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
	if d.temporary != "" && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP)) { // no hard links there
		if err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err == nil {
			d.setTemporary("")
		}
	}
	if errors.Is(err, unix.EEXIST) {
		err = fmt.Errorf("%s: %w since this began", to, ErrExists)
	}
	return err
}

// inherit takes over owner, if we may, and mode of what is replaced.
func (d *Draft) inherit() error {
	var st unix.Stat_t
	if err := unix.Fstat(d.old.fd, &st); err != nil {
		return err
	}
	_ = unix.Fchown(d.fd, int(st.Uid), int(st.Gid))
	return unix.Fchmod(d.fd, st.Mode&0o777)
}

// Close gives the file up, unless it was published.
func (d *Draft) Close() error {
	errs := []error{d.OSFile.Close()}
	names.Lock()
	if d.temporary != "" {
		errs = append(errs, os.Remove(d.temporary))
		d.setTemporary("")
	}
	names.Unlock()
	if d.old != nil {
		errs = append(errs, d.old.Close())
	}
	return errors.Join(errs...)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) { // a file system that has no such thing
		err = nil
	}
	return errors.Join(err, f.Close())
}
