// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// overlayModel is the top of a chain of overlays that is served, next to the bytes
// and write pointers that the device should have.
type overlayModel struct {
	t      *testing.T
	dir    string
	layers int
	s      *sim
	disk   []byte
	wps    []uint64 // of zones, bytes of the disk
	seed   uint64
}

func (m *overlayModel) path(layer int) string {
	return filepath.Join(m.dir, fmt.Sprint("layer", layer))
}

// image makes a file with an image.
func (m *overlayModel) image(o qcow2.CreateOptions) {
	f, err := storage.Create(m.path(m.layers), false)
	if err == nil {
		err = errors.Join(qcow2.Create(f, o), f.Close())
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.layers++
}

// push makes an overlay of the image that was served, with clusters of some size.
func (m *overlayModel) push(clusterSize uint64, extended bool) {
	b, err := imagefile.OpenBacking(fmt.Sprint("layer", m.layers-1), "qcow2", m.path(m.layers))
	if err != nil {
		m.t.Fatal(err)
	}
	defer b.Close()
	m.image(qcow2.CreateOptions{ClusterSize: clusterSize, ExtendedL2: extended, Backing: &b.BackingOptions})
}

func (m *overlayModel) open() {
	d, err := OpenDisk(m.path(m.layers-1), DiskOptions{Direct: m.layers%2 == 0, Allow: Allow{Backing: true}, Log: silent()})
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = simDisk(m.t, d, 1, 4)
}

func (m *overlayModel) put(off, n uint64) {
	m.seed++
	p := contents(n, m.seed)
	must(m.t, "write", m.s.write(off, p))
	copy(m.disk[off:], p)
}

// step does one thing to a zone.
func (m *overlayModel) step(t *rapid.T) {
	geo := m.s.disk.geo
	zone := rapid.Uint32Range(0, geo.Zones()-1).Draw(t, "zone")
	start, end := geo.Start(zone), geo.WritableEnd(zone)
	n := rapid.Uint64Range(1, 40).Draw(t, "sectors") * 512
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case geo.IsConventional(zone):
		off := rapid.Uint64Range(0, (end-start-n)/512).Draw(t, "off") * 512
		m.put(start+off, n)
	case what < 6 && m.wps[zone] < end:
		n = min(n, end-m.wps[zone])
		m.put(m.wps[zone], n)
		m.wps[zone] += n
	case what < 8:
		must(m.t, "reset", m.s.zone(ublk.OpZoneReset, start))
		clear(m.disk[start:end])
		m.wps[zone] = start
	case what == 8 && m.wps[zone] < end:
		must(m.t, "finish", m.s.zone(ublk.OpZoneFinish, start))
		m.wps[zone] = end
	default:
		must(m.t, "flush", m.s.flush())
	}
}

// check compares all of the device, and all that is stored, with the model.
func (m *overlayModel) check() {
	got := make([]byte, len(m.disk))
	for z := range m.s.disk.geo.Zones() {
		off := m.s.disk.geo.Start(z)
		p, errno := m.s.read(off, int(m.s.disk.geo.Length(z)))
		must(m.t, "read", errno)
		copy(got[off:], p)
	}
	stored := make([]byte, len(m.disk))
	if err := m.s.disk.img.ReadAt(stored, 0); err != nil {
		m.t.Fatal(err)
	}
	for k := 0; k < len(got); k += 512 {
		if !bytes.Equal(got[k:k+512], m.disk[k:k+512]) || !bytes.Equal(stored[k:k+512], m.disk[k:k+512]) {
			m.t.Fatalf("the sector at %d of %d layers: device %x, stored %x, want %x", k, m.layers, got[k:k+8], stored[k:k+8], m.disk[k:k+8])
		}
	}
	for z, wp := range m.wps {
		if now := m.s.disk.zones.State(uint32(z)).WP; !m.s.disk.geo.IsConventional(uint32(z)) && now != wp {
			m.t.Fatalf("zone %d has its write pointer at %d, want %d", z, now, wp)
		}
	}
}

// askQEMU has qemu-img check and read the chain, without its zones.
func (m *overlayModel) askQEMU() {
	plain := filepath.Join(m.dir, "plain")
	if err := os.MkdirAll(plain, 0o700); err != nil {
		m.t.Fatal(err)
	}
	for k := range m.layers {
		b, err := os.ReadFile(m.path(k))
		if err == nil {
			b[79] &^= 1 << 5
			err = os.WriteFile(filepath.Join(plain, fmt.Sprint("layer", k)), b, 0o600)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
	top, raw := filepath.Join(plain, fmt.Sprint("layer", m.layers-1)), filepath.Join(plain, "raw")
	if out, err := exec.Command("qemu-img", "convert", "-f", "qcow2", "-O", "raw", top, raw).CombinedOutput(); err != nil {
		m.t.Fatalf("qemu-img convert: %v\n%s", err, out)
	}
	got, err := os.ReadFile(raw)
	if err != nil || !bytes.Equal(got, m.disk) {
		m.t.Fatalf("qemu-img reads something else (%v)", err)
	}
	out, _ := exec.Command("qemu-img", "check", "-f", "qcow2", top).CombinedOutput() // the zone table is leaked to it
	if !bytes.Contains(out, []byte("1 leaked clusters were found")) || bytes.Contains(out, []byte("ERROR")) {
		m.t.Fatalf("qemu-img check:\n%s", out)
	}
}

// TestOverlayModel: whatever is written, reset and finished on a chain of overlays,
// device, images and qemu-img read what a naive model holds.
func TestOverlayModel(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		m := &overlayModel{t: t, dir: filepath.Join(dir, fmt.Sprint(n))}
		if err := os.Mkdir(m.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(m.dir)
		const zone, zones = 128 << 10, 4
		m.image(qcow2.CreateOptions{Size: zones * zone, ClusterSize: 4096, LogicalBlockSize: 512,
			Zone: &qcow2.ZoneOptions{Size: zone, Capacity: zone - 16<<10, Conventional: 1}})
		m.disk = make([]byte, zones*zone)
		for z := range zones {
			m.wps = append(m.wps, uint64(z)*zone)
		}
		m.open()
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			for range rapid.IntRange(0, 12).Draw(rt, "steps") {
				m.step(rt)
			}
			m.check()
			m.s.close()
			if rapid.Bool().Draw(rt, "overlay") {
				bits := rapid.SampledFrom([]uint{9, 12, 14, 16}).Draw(rt, "cluster bits")
				m.push(1<<bits, bits >= 14 && rapid.Bool().Draw(rt, "subclusters"))
			}
			m.open()
			m.check()
		}
		m.s.close()
		if n%8 == 1 {
			m.askQEMU()
		}
	})
}
