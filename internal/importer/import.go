package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// Formats of what is imported; the empty one is found out: by the name of a
// zone information file, by qcow2's magic, else raw.
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
}

// job is what is imported and what it is to become.
type job struct {
	files  io.Closer
	source qcow2.Source
	qcow2.ImportOptions
}

// Import makes the image at path to of the disk at path from. If it fails, no
// file is left there.
func Import(from, to string, o Options) error {
	j, err := open(from, o)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	defer j.files.Close()
	if err := j.Validate(j.source); err != nil {
		return fmt.Errorf("import of %s: %w", from, err)
	}
	out, err := storage.Create(to, o.Force)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := qcow2.Import(j.source, out, j.ImportOptions); err != nil {
		return fmt.Errorf("import of %s: %w", from, errors.Join(err, storage.Abandon(to)))
	}
	return nil
}

func open(path string, o Options) (*job, error) {
	format := o.Format
	if format == "" {
		format = probe(path)
	}
	switch format {
	case FormatRaw:
		return openRaw(path, o)
	case FormatQcow2:
		return openQcow2(path, o)
	case FormatZbd:
		return openDump(path, o)
	}
	return nil, &qcow2.OptionError{Option: "format", Value: format, Rule: "must be raw, qcow2 or zbd"}
}

// probe takes what it can't look at for raw, whose opening then says why.
func probe(path string) string {
	if strings.HasSuffix(path, infoSuffix) {
		return FormatZbd
	}
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return FormatRaw
	}
	defer f.Close()
	magic := make([]byte, 4)
	if n, _ := f.ReadAt(magic, 0); n == 4 && bytes.Equal(magic, []byte("QFI\xfb")) {
		return FormatQcow2
	}
	return FormatRaw
}

func openRaw(path string, o Options) (*job, error) {
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return o.job(f)(qcow2.RawSource(f))
}

func openQcow2(path string, o Options) (*job, error) {
	o.Files.Options = storage.Options{ReadOnly: true}
	in, err := imagefile.Open(path, o.Files)
	if err != nil {
		return nil, err
	}
	return o.job(in)(qcow2.ImageSource(in.Image))
}

// job makes one of an opened source, or closes its files.
func (o Options) job(files io.Closer) func(qcow2.Source, error) (*job, error) {
	return func(src qcow2.Source, err error) (*job, error) {
		if err != nil {
			return nil, errors.Join(err, files.Close())
		}
		return &job{files, src, qcow2.ImportOptions{Image: o.Image}}, nil
	}
}

// openDump opens the two files of a zbd dump, given the one with the zones.
func openDump(path string, o Options) (*job, error) {
	prefix, ok := strings.CutSuffix(path, infoSuffix)
	if !ok {
		return nil, dumpError("give the file NAME%s, beside which NAME%s is", infoSuffix, dataSuffix)
	}
	d, err := readDump(path)
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
		return nil, errors.Join(dumpError("%s has %d bytes, the device had %d", prefix+dataSuffix, n, d.Size), j.files.Close())
	}
	j.WritePointers, j.Conditions = d.writePointers(), d.conditions()
	return j, nil
}

// readDump reads a zone information file, but none that is too large for one.
func readDump(path string) (*Dump, error) {
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > dumpHeader+qcow2.MaxZones*dumpZone {
		return nil, dumpError("it has %d bytes, more than those of any device", size)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return ParseDump(b)
}
