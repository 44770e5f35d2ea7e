// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"
	"testing"
	"time"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/format"
)

// slowHeader is a file whose first write of the feature bits waits.
type slowHeader struct {
	*storagetest.Mem
	begun, proceed chan bool
}

func (f *slowHeader) WriteAt(p []byte, off int64) (int, error) {
	if off == format.IncompatibleField && len(p) == 8 {
		select {
		case f.begun <- true:
			<-f.proceed
		default:
		}
	}
	return f.Mem.WriteAt(p, off)
}

func marksIn(t *testing.T, f storage.File) format.IncompatibleFeatures {
	t.Helper()
	var b [8]byte
	if _, err := f.ReadAt(b[:], format.IncompatibleField); err != nil {
		t.Fatal(err)
	}
	return format.IncompatibleFeatures(binary.BigEndian.Uint64(b[:]))
}

// TestC08_MarksAtOnce: one who meets damage while another sets the dirty bit
// loses neither bit.
func TestC08_MarksAtOnce(t *testing.T) {
	f := &slowHeader{Mem: storagetest.NewMem(nil), begun: make(chan bool, 1), proceed: make(chan bool)}
	if err := Create(f.Mem, CreateOptions{Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	img, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool, 2)
	go func() {
		img.WriteAt([]byte{1}, 0)
		ended <- true
	}()
	<-f.begun
	f.begun = nil
	go func() {
		img.writeData([]byte{1}, 0) // into the header
		ended <- true
	}()
	time.Sleep(50 * time.Millisecond)
	close(f.proceed)
	<-ended
	<-ended
	if m := marksIn(t, f); m != format.IncompatDirty|format.IncompatCorrupt {
		t.Errorf("the file is marked %v", m)
	}
	if img.Failed() == nil {
		t.Error("the image is written on")
	}
}

// TestC08_DamageIsMarked: a request that meets an L2 entry which makes no sense
// leaves the corrupt bit in the file, durably, also after an orderly close. An
// image opened read-only is not written.
func TestC08_DamageIsMarked(t *testing.T) {
	for name, meet := range map[string]func(*Image) error{
		"read":   func(i *Image) error { return i.ReadAt(make([]byte, 10), 4090) },
		"write":  func(i *Image) error { return i.WriteAt(make([]byte, 10), 4100) },
		"ensure": func(i *Image) error { return i.Ensure(4096, 4096, 0) },
		"zero":   func(i *Image) error { return i.MakeZero(4096, 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			m, i := overlapImage(t)
			table := metadataOf(i)["L2 table"]
			m.WriteAt(binary.BigEndian.AppendUint64(nil, 5<<12+512|1<<63), int64(table+8))
			before := marksIn(t, m)
			readOnly, err := Open(m, OpenOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			meet(readOnly)
			if now := marksIn(t, m); now != before {
				t.Errorf("opened read-only, the file is marked %v", now)
			}
			rec := storagetest.NewRecorder(m)
			img := mustOpenIn(t, rec)
			mustSay(t, meet(img), format.ErrCorrupt, "")
			if now := marksIn(t, m); now&format.IncompatCorrupt == 0 {
				t.Errorf("the file is marked %v", now)
			}
			if left := rec.Pending(rec.Len()); len(left) > 0 {
				t.Errorf("operations %v are not durable", left)
			}
			if err := img.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, err := Open(m, OpenOptions{}); err == nil {
				t.Error("it can be opened for writing again")
			}
		})
	}
}

func mustOpenIn(t *testing.T, f storage.File) *Image {
	t.Helper()
	img, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}
