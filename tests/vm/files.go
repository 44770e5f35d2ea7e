// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// unpackFiles puts a tar below dir, which it makes; with dir "" it only reads it to its end.
func unpackFiles(r io.Reader, dir string) error {
	archive := tar.NewReader(r)
	if dir == "" {
		return eachEntry(archive, func(*tar.Header) error { return nil })
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return eachEntry(archive, func(h *tar.Header) error {
		if err := unpackEntry(root, h, archive); err != nil {
			return fmt.Errorf("bringing back /out/%s: %w", h.Name, err)
		}
		return nil
	})
}

// eachEntry goes on to the archive's end after an error too: the guest waits for all to be read.
func eachEntry(archive *tar.Reader, do func(*tar.Header) error) error {
	var first error
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return first
		case err != nil:
			return errors.Join(first, io.ErrUnexpectedEOF)
		case first == nil:
			first = do(header)
		}
	}
}

func unpackEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	name := filepath.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		root.Remove(name)
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg, tar.TypeGNUSparse:
		return unpackRegular(root, name, h, content)
	}
	return nil // devices, pipes and sockets mean nothing on the host
}

func unpackRegular(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	root.Remove(name)
	file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, copied := io.CopyBuffer(holeWriter{file}, content, make([]byte, 64<<10))
	return errors.Join(copied, file.Truncate(h.Size), file.Close())
}

// holeWriter leaves holes where a file has only zeros, as images mostly do.
type holeWriter struct{ file *os.File }

var zeros [64 << 10]byte

func (w holeWriter) Write(p []byte) (int, error) {
	if len(p) <= len(zeros) && bytes.Equal(p, zeros[:len(p)]) {
		_, err := w.file.Seek(int64(len(p)), io.SeekCurrent)
		return len(p), err
	}
	return w.file.Write(p)
}
