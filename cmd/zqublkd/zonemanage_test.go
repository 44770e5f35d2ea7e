// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	modelZones = 8
	modelZone  = 64 << 10
)

// zoneModel is what is known of an image without looking: the content and the
// write pointer of each zone. Zone 0 is conventional.
type zoneModel struct {
	disk    []byte
	written [modelZones]int // bytes
	refuses [modelZones]bool
}

// TestZoneManage does resets and finishes in any order, and compares report and
// content with a model after each.
func TestZoneManage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		image := filepath.Join(dir, "d.qcow2")
		m := zoneModel{disk: make([]byte, modelZones*modelZone)}
		for z := range m.written {
			n := 4096 * rapid.IntRange(0, modelZone/4096).Draw(rt, "written")
			m.written[z] = n
			copy(m.disk[z*modelZone:], bytes.Repeat([]byte{byte(z + 1)}, n))
		}
		raw := filepath.Join(dir, "raw")
		if err := os.WriteFile(raw, m.disk, 0o600); err != nil {
			rt.Fatal(err)
		}
		revision := rapid.SampledFrom([]string{"v6", "v8", "v11", "v14"}).Draw(rt, "revision")
		cluster := rapid.SampledFrom([]string{"4K", "64K"}).Draw(rt, "cluster")
		mustRun(t, "import", "-q", "--format", "raw", "-o", "zone.size=64K,zone.conventional_zones=1,zone.revision="+revision+",cluster_size="+cluster, raw, image)
		for range rapid.IntRange(1, 3).Draw(rt, "steps") {
			m.step(t, rt, image)
			m.compareZones(t, rt, image)
		}
		m.compareContent(t, rt, image, filepath.Join(dir, "out"))
	})
}

// step does one verb to the image and to the model.
func (m *zoneModel) step(t *testing.T, rt *rapid.T, image string) {
	if rapid.IntRange(0, 3).Draw(rt, "set") == 0 {
		z := rapid.IntRange(1, modelZones-1).Draw(rt, "zone")
		condition := rapid.SampledFrom([]string{"read-only", "normal"}).Draw(rt, "condition")
		mustRun(t, "zone", "set", image, "--zone", fmt.Sprint(z), "--condition", condition)
		m.refuses[z] = condition == "read-only"
	}
	verb := rapid.SampledFrom([]string{"reset", "finish"}).Draw(rt, "verb")
	if verb == "reset" && rapid.IntRange(0, 4).Draw(rt, "all") == 0 {
		mustRun(t, "zone", "reset", image, "--all")
		for z := 1; z < modelZones; z++ {
			if !m.refuses[z] {
				m.change(verb, z)
			}
		}
		return
	}
	zones := rapid.SliceOfN(rapid.IntRange(0, modelZones-1), 1, 3).Draw(rt, "zones")
	var words []string
	refused := false
	for _, z := range zones {
		words = append(words, fmt.Sprint(z))
		refused = refused || z == 0 || m.refuses[z]
	}
	_, err := run("zone", verb, image, "--zone", strings.Join(words, ","))
	if (err != nil) != refused {
		rt.Fatalf("%s of %v: %v", verb, zones, err)
	}
	if refused {
		return
	}
	for _, z := range zones {
		m.change(verb, z)
	}
}

func (m *zoneModel) change(verb string, z int) {
	m.written[z] = modelZone
	if verb == "reset" {
		m.written[z] = 0
		clear(m.disk[z*modelZone : (z+1)*modelZone])
	}
}

func (m *zoneModel) compareZones(t *testing.T, rt *rapid.T, image string) {
	var list []struct {
		Zone      int    `json:"zone"`
		Start     int    `json:"start"`
		WP        int    `json:"write_pointer"`
		Condition string `json:"condition"`
	}
	if err := json.Unmarshal([]byte(mustRun(t, "zone", "list", image, "-J")), &list); err != nil || len(list) != modelZones {
		rt.Fatalf("%v: %v", err, list)
	}
	for z := 1; z < modelZones; z++ {
		want := map[bool]string{true: "full", false: "closed"}[m.written[z] == modelZone]
		if m.written[z] == 0 {
			want = "empty"
		}
		if m.refuses[z] {
			want = "read-only"
		}
		if list[z].Condition != want || !m.refuses[z] && m.written[z] < modelZone && list[z].WP != z*modelZone+m.written[z] {
			rt.Fatalf("zone %d: %+v, want %s, %d written", z, list[z], want, m.written[z])
		}
	}
}

// compareContent looks at the disk as another reader of its export sees it.
func (m *zoneModel) compareContent(t *testing.T, rt *rapid.T, image, out string) {
	mustRun(t, "check", image)
	mustRun(t, "export", "-q", "--force", image, out+".qcow2")
	if err := qemuConvert(out+".qcow2", out); err != nil {
		rt.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, m.disk) {
		rt.Fatalf("the content is not the model's: %v", err)
	}
}

func qemuConvert(from, to string) error {
	out, err := exec.Command("qemu-img", "convert", "-f", "qcow2", "-O", "raw", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("qemu-img convert: %w: %s", err, out)
	}
	return nil
}
