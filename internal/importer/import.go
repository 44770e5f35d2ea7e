// SPDX-License-Identifier: Apache-2.0

package importer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/format"
)

// Formats of what is imported; the empty one is found out: by the name of a
// zone information file, by qcow2's magic, else raw if nothing speaks for another
// format.
const (
	FormatRaw   = "raw"
	FormatQcow2 = "qcow2"
	FormatZbd   = "zbd"
)

const (
	infoSuffix = "_zone_info.dump"
	dataSuffix = "_zone_data.dump"
)

// Options of Import.
type Options struct {
	Format string              // of the source
	Force  bool                // overwrite an existing image
	Files  imagefile.Options   // which names found in a qcow2 source are followed
	Image  qcow2.CreateOptions // to be made

	// Progress, if set, is told now and then how many bytes of how many are done.
	Progress func(done, all uint64)
}

// job is what is imported and what it is to become.
type job struct {
	close  func() error
	files  []*storage.OSFile
	source convert.Source
	convert.ImportOptions
}

// ErrForeign: the source is in a format that can't be read.
var ErrForeign = errors.New("only raw disks, qcow2 images and zbd dumps can be imported")

// Import makes the image at path to of the disk at path from. If it fails, what
// was there before is there still, unless it is a block device.
func Import(from, to string, o Options) error {
	j, err := open(from, o)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	defer j.close()
	if err := j.Validate(j.source); err != nil {
		return fmt.Errorf("import of %s: %w", from, err)
	}
	out, err := storage.NewDraft(to, o.Force, j.files...)
	if err != nil {
		return err
	}
	if o.Progress != nil {
		j.Progress = func(done uint64) { o.Progress(done, j.source.Size()) }
	}
	if err = convert.Import(j.source, out, j.ImportOptions); err == nil {
		err = out.Publish()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("import of %s: %w", from, err)
	}
	return nil
}

func open(path string, o Options) (*job, error) {
	kind := o.Format
	if kind == "" {
		var err error
		if kind, err = probe(path); err != nil {
			return nil, err
		}
	}
	switch kind {
	case FormatRaw:
		return openRaw(path, o)
	case FormatQcow2:
		return openQcow2(path, o)
	case FormatZbd:
		return openDump(path, o)
	}
	return nil, &format.OptionError{Option: "format", Value: kind, Rule: "must be raw, qcow2 or zbd"}
}

// probe finds the format of a source. What looks like a format that can't be
// read is not taken for raw: its container would become the disk.
func probe(path string) (string, error) {
	if strings.HasSuffix(path, infoSuffix) {
		return FormatZbd, nil
	}
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return "", err
	}
	defer f.Close()
	magic := make([]byte, 4)
	if n, _ := f.ReadAt(magic, 0); n == 4 && bytes.Equal(magic, []byte("QFI\xfb")) {
		return FormatQcow2, nil
	}
	foreign, err := imagefile.Foreign(f)
	if err == nil && foreign != "" {
		err = fmt.Errorf("it looks like %s: %w; convert it first (qemu-img convert -O raw), or if it is a raw disk say so with --format raw",
			foreign, ErrForeign)
	}
	return FormatRaw, err
}

func openRaw(path string, o Options) (*job, error) {
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return o.job(f.Close, f)(convert.RawSource(f))
}

func openQcow2(path string, o Options) (*job, error) {
	o.Files.Options = storage.Options{ReadOnly: true}
	in, err := imagefile.Open(path, o.Files)
	if err != nil {
		return nil, err
	}
	return o.job(in.Close, in.Files()...)(convert.ImageSource(in.Image))
}

// job makes one of an opened source, or closes its files.
func (o Options) job(close func() error, files ...*storage.OSFile) func(convert.Source, error) (*job, error) {
	return func(src convert.Source, err error) (*job, error) {
		if err != nil {
			return nil, errors.Join(err, close())
		}
		return &job{close, files, src, convert.ImportOptions{Image: o.Image}}, nil
	}
}

// openDump opens the two files of a zbd dump, given the one with the zones.
func openDump(path string, o Options) (*job, error) {
	prefix, ok := strings.CutSuffix(path, infoSuffix)
	if !ok {
		return nil, dumpError("give the file NAME%s, beside which NAME%s is", infoSuffix, dataSuffix)
	}
	info, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	j, err := openDumpOf(info, prefix, o)
	if err != nil {
		return nil, errors.Join(err, info.Close())
	}
	data := j.close
	j.close, j.files = func() error { return errors.Join(data(), info.Close()) }, append(j.files, info)
	return j, nil
}

func openDumpOf(info *storage.OSFile, prefix string, o Options) (*job, error) {
	d, err := readDump(info)
	if err != nil {
		return nil, err
	}
	if err := d.apply(&o.Image); err != nil {
		return nil, err
	}
	j, err := openRaw(prefix+dataSuffix, o)
	if err != nil {
		return nil, err
	}
	if n := j.source.Size(); n != d.Size {
		return nil, errors.Join(dumpError("%s has %d bytes, the device had %d", prefix+dataSuffix, n, d.Size),
			j.close())
	}
	j.WritePointers, j.Conditions = d.writePointers(), d.conditions()
	return j, nil
}

// readDump reads a zone information file, but none that is too large for one.
func readDump(f storage.File) (*Dump, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > dumpHeader+format.MaxZones*dumpZone {
		return nil, dumpError("it has %d bytes, more than those of any device", size)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return ParseDump(b)
}
