// SPDX-License-Identifier: Apache-2.0

package imageinfo

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/edit"
	"zqublkd/qcow2/format"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// image makes an image in a folder and changes its header.
func image(t testing.TB, dir, name string, o qcow2.CreateOptions, change func(*format.Header)) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	f, err := storage.Create(path, true)
	must(t, err)
	defer f.Close()
	if o.ClusterSize == 0 {
		o.ClusterSize = 4096
	}
	must(t, qcow2.Create(f, o))
	if change == nil {
		return path
	}
	h, err := qcow2.ReadHeader(f)
	must(t, err)
	change(h)
	b, err := h.Encode()
	must(t, err)
	_, err = f.WriteAt(b, 0)
	must(t, err)
	return path
}

// opened opens an image as the verb info does.
func opened(t testing.TB, path string, o imagefile.Options) *imagefile.Opened {
	t.Helper()
	o.Options, o.Lenient = storage.Options{ReadOnly: true}, true
	files, err := imagefile.Open(path, o)
	must(t, err)
	t.Cleanup(func() { files.Close() })
	return files
}

func about(t testing.TB, path string, share bool) Info {
	o := opened(t, path, imagefile.Options{})
	return About(path, o.File, o.Image, share)
}

// rows are the lines of a description by their labels; those of one label are joined.
func rows(t testing.TB, i Info) map[string]string {
	t.Helper()
	var b strings.Builder
	must(t, i.Print(&b))
	all := map[string]string{}
	for line := range strings.Lines(b.String()) {
		label, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if !ok {
			t.Fatalf("a line without a label: %q", line)
		}
		if value = strings.TrimSpace(value); all[label] != "" {
			value = all[label] + "; " + value
		}
		all[label] = value
	}
	return all
}

func zones(z qcow2.ZoneOptions) qcow2.CreateOptions {
	z.Size = 1 << 20
	return qcow2.CreateOptions{Size: 16 << 20, Zone: &z}
}

// none is a row that must not be there.
const none = "-"

func TestInfo(t *testing.T) {
	plain := qcow2.CreateOptions{Size: 3 << 20}
	for name, c := range map[string]struct {
		options qcow2.CreateOptions
		change  func(*format.Header)
		want    map[string]string // the rows; one that ends in ... begins so
	}{
		"plain": {plain, nil, map[string]string{
			"format": "qcow2, compat 1.1", "virtual size": "3M (3145728 bytes)", "cluster size": "4K, refcounts of 16 bits",
			"logical block size": "512 bytes", "zones": "none, a plain disk", "can be served": "yes", "QEMU": none,
			"backing file": none, "data file": none, "snapshot": none, "note": none, "limits": none, "counters": none,
		}},
		"zoned": {zones(qcow2.ZoneOptions{Revision: "v8", Capacity: 768 << 10, Conventional: 1, MaxOpen: 4, MaxActive: 6, MaxAppendBytes: 64 << 10}), nil, map[string]string{
			"zones": "16 of 1M, 1 conventional, layout v8", "zone capacity": "768K", "limits": "open 4, active 6, append 64K",
			"conditions": "1 not-write-pointer, 15 empty", "counters": none, "QEMU": "unreleased", "can be served": "yes",
			"logical block size": "4096 bytes",
		}},
		"no limits": {zones(qcow2.ZoneOptions{}), nil, map[string]string{
			"limits": "open unlimited, active unlimited, append unlimited", "conditions": "16 empty",
		}},
		"counters": {zones(qcow2.ZoneOptions{Counters: true}), nil, map[string]string{
			"counters": "0 resets, 0 finishes, 0 written, 0 appends, 0 evictions",
		}},
		"refcounts of one bit": {qcow2.CreateOptions{Size: 1 << 20, RefcountBits: 1}, nil, map[string]string{
			"cluster size": "4K, refcounts of 1 bits",
		}},
		"features": {qcow2.CreateOptions{Size: 1 << 20, ClusterSize: 16 << 10, ExtendedL2: true}, func(h *format.Header) {
			h.Compatible |= format.CompatLazyRefcounts
			h.Incompatible |= format.IncompatCorrupt
		}, map[string]string{
			"format": "qcow2, compat 1.1, extended L2 entries, lazy refcounts, marked corrupt", "can be served": "no: ...",
		}},
		"half a block": {plain, func(h *format.Header) { h.Size -= 100 }, map[string]string{
			"can be served": "no: virtual size 3145628 is no multiple of the logical block size 512: ...",
		}},
		"dirty": {plain, func(h *format.Header) { h.Incompatible |= format.IncompatDirty }, map[string]string{
			"can be served": "yes", "note": "it is in use, or was left by a crash (incompatible bit 0): add frees what leaked then",
		}},
		"refcounts outside the file": {plain, func(h *format.Header) { h.RefcountTableOffset = 1 << 40 }, map[string]string{
			"can be served": "no: ...", "note": "stops writing: ...",
		}},
		"zones without a table": {plain, func(h *format.Header) { h.Incompatible |= format.IncompatZoned }, map[string]string{
			"zones": "not known: ...", "can be served": "no: ...", "limits": none,
		}},
		"unknown feature": {plain, func(h *format.Header) { h.Incompatible |= 1 << 62 }, map[string]string{
			"can be served": "no: incompatible feature ...", "note": "stops reading: incompatible feature ...",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			i := about(t, image(t, t.TempDir(), "image", c.options, c.change), false)
			got := rows(t, i)
			for label, want := range c.want {
				begins, partly := strings.CutSuffix(want, "...")
				if value, ok := got[label]; want == none && ok || want != none && value != want && !(partly && strings.HasPrefix(value, begins)) {
					t.Errorf("%s: %q, want %q", label, value, want)
				}
			}
			if i.Servable != (got["can be served"] == "yes") || i.Servable != (i.NotServable == "") {
				t.Errorf("servable %v, %q, printed %q", i.Servable, i.NotServable, got["can be served"])
			}
		})
	}
}

// TestSharedInfo: what another may be changing now is no reason against serving it.
func TestSharedInfo(t *testing.T) {
	path := image(t, t.TempDir(), "image", qcow2.CreateOptions{Size: 1 << 20}, func(h *format.Header) {
		h.Incompatible |= format.IncompatDirty
		h.RefcountTableOffset = 1 << 40
	})
	if i := about(t, path, true); !i.Servable {
		t.Errorf("shared: %s", i.NotServable)
	}
	if i := about(t, path, false); i.Servable {
		t.Error("a dirty image without refcounts can be served")
	}
}

// TestNamedFiles: names found in the image are told, with where they lead, and followed nowhere.
func TestNamedFiles(t *testing.T) {
	dir := t.TempDir()
	extension := func(kind format.ExtensionType, data string) format.Extension {
		return format.Extension{Type: kind, Data: []byte(data)}
	}
	for name, c := range map[string]struct {
		change func(*format.Header)
		label  string
		want   string
	}{
		"backing file": {func(h *format.Header) {
			h.BackingFile = "base"
			h.Extensions = append(h.Extensions, extension(format.ExtBackingFormat, "raw"))
		}, "backing file", "base (format raw), at " + dir + "/base; followed with --allow-backing"},
		"of no format": {func(h *format.Header) { h.BackingFile = "/x/y" }, "backing file",
			"/x/y (format unknown), at /x/y; followed with --allow-backing"},
		"that is no file": {func(h *format.Header) { h.BackingFile = "nbd:unix:/s" }, "backing file",
			"nbd:unix:/s (format unknown), at unknown; followed with --allow-backing"},
		"data file": {func(h *format.Header) {
			h.Incompatible |= format.IncompatDataFile
			h.Autoclear |= format.AutoclearRawExternal
			h.Extensions = append(h.Extensions, extension(format.ExtDataFile, "data"))
		}, "data file", "data, at " + dir + "/data, a raw image in itself; followed with --allow-data-file"},
	} {
		t.Run(name, func(t *testing.T) {
			i := about(t, image(t, dir, strings.ReplaceAll(name, " ", ""), qcow2.CreateOptions{Size: 1 << 20}, c.change), false)
			if got := rows(t, i)[c.label]; got != c.want {
				t.Errorf("%s: %q, want %q", c.label, got, c.want)
			}
		})
	}
}

func TestSnapshotsAreListed(t *testing.T) {
	path := image(t, t.TempDir(), "image", qcow2.CreateOptions{Size: 1 << 20}, nil)
	f, err := storage.Open(path, storage.Options{})
	must(t, err)
	for k, name := range []string{"one", "two\n"} {
		must(t, edit.CreateSnapshot(f, name, time.Unix(1700000000+int64(k), 5), nil))
	}
	must(t, f.Close())
	i := about(t, path, false)
	const want = `1 "one" of 2023-11-14T22:13:20Z, memory of 0 bytes; 2 "two\n" of 2023-11-14T22:13:21Z, memory of 0 bytes`
	if got := rows(t, i)["snapshot"]; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if s := i.Snapshots[1]; len(i.Snapshots) != 2 || s.DateNsec != 5 || s.Name != "two\n" {
		t.Errorf("snapshots %+v", i.Snapshots)
	}
}

// TestJSON: the names are those of qemu-img info, and what does not apply is left out.
func TestJSON(t *testing.T) {
	const always = "filename format virtual-size actual-size file-size cluster-size dirty-flag format-specific logical-block-size servable"
	for name, c := range map[string]struct {
		options qcow2.CreateOptions
		more    string
	}{
		"plain": {qcow2.CreateOptions{Size: 1 << 20}, ""},
		"zoned": {zones(qcow2.ZoneOptions{}), " zoned compatibility"},
	} {
		t.Run(name, func(t *testing.T) {
			path := image(t, t.TempDir(), "image", c.options, nil)
			b, err := json.Marshal(about(t, path, false))
			must(t, err)
			var got map[string]any
			must(t, json.Unmarshal(b, &got))
			want := strings.Fields(always + c.more)
			slices.Sort(want)
			if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
				t.Errorf("keys %q, want %q", keys, want)
			}
			var st unix.Stat_t
			must(t, unix.Stat(path, &st))
			if got["filename"] != path || got["virtual-size"] != float64(c.options.Size) || got["file-size"] != float64(st.Size) ||
				got["actual-size"] != float64(512*st.Blocks) {
				t.Errorf("%s", b)
			}
		})
	}
}

func TestSummaryAndCompatibility(t *testing.T) {
	for name, c := range map[string]struct {
		options       qcow2.CreateOptions
		summary       string
		compatibility string // begins so
	}{
		"plain": {qcow2.CreateOptions{Size: 1 << 30, ClusterSize: 64 << 10}, "1G, cluster size 64K, logical block size 512, no zones", ""},
		"zoned": {zones(qcow2.ZoneOptions{Revision: "v14", Conventional: 2, MaxActive: 5}),
			"16M, cluster size 4K, logical block size 4096, 16 zones of 1M (capacity 1M, 2 conventional, layout v14), limits: open 5, active 5, append unlimited",
			"usable with series "},
		"v6": {zones(qcow2.ZoneOptions{Revision: "v6"}), "", "usable with series "},
		"v6 of more than 4 GiB": {qcow2.CreateOptions{Size: 8 << 30, ClusterSize: 64 << 10, Zone: &qcow2.ZoneOptions{Revision: "v6"}}, "",
			"no QEMU uses it right: "},
		"v6 of large zones": {qcow2.CreateOptions{Size: 4 << 30, ClusterSize: 64 << 10, Zone: &qcow2.ZoneOptions{Revision: "v6", Size: 2 << 30}}, "",
			"no QEMU uses it right: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := image(t, t.TempDir(), "image", c.options, nil)
			img := opened(t, path, imagefile.Options{}).Image
			if got := Summary("NAME", img); c.summary != "" && got != "created NAME: "+c.summary {
				t.Errorf("summary %q", got)
			}
			if got := Compatibility(img); !strings.HasPrefix(got, c.compatibility) || (got == "") != (c.compatibility == "") {
				t.Errorf("compatibility %q, want %q", got, c.compatibility)
			}
		})
	}
}

// TestChain describes an image, then what it is over, down to a raw file.
func TestChain(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "bottom"), make([]byte, 8192), 0o600))
	over := func(base, kind string) func(*format.Header) {
		return func(h *format.Header) {
			h.BackingFile = base
			h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtBackingFormat, Data: []byte(kind)})
		}
	}
	image(t, dir, "middle", qcow2.CreateOptions{Size: 1 << 20}, over("bottom", "raw"))
	top := image(t, dir, "top", qcow2.CreateOptions{Size: 1 << 20}, over("middle", "qcow2"))
	o := opened(t, top, imagefile.Options{AllowBacking: true})
	var text, asJSON strings.Builder
	must(t, PrintChain(&text, o, false, false))
	var images []string
	for line := range strings.Lines(text.String()) {
		if path, ok := strings.CutPrefix(line, "image:"); ok {
			images = append(images, filepath.Base(strings.TrimSpace(path)))
		}
	}
	if want := []string{"top", "middle", "bottom"}; !slices.Equal(images, want) || !strings.HasSuffix(text.String(), "\nformat: raw\nvirtual size: 8192 bytes\n") {
		t.Errorf("described %q:\n%s", images, text.String())
	}
	must(t, PrintChain(&asJSON, o, false, true))
	var list []struct {
		Filename, Format string
		Size             uint64 `json:"virtual-size"`
	}
	must(t, json.Unmarshal([]byte(asJSON.String()), &list))
	if len(list) != 3 || list[0].Filename != top || list[1].Format != "qcow2" || list[2].Format != "raw" || list[2].Size != 8192 {
		t.Errorf("%+v", list)
	}
}
