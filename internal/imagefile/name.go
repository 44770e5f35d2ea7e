// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// target is what a name found in an image leads to.
type target struct {
	path   string
	format string // "qcow2", "raw"; empty if the name doesn't say
}

// parseName reads a file name as QEMU writes it into an image: a path, one with
// "file:" in front, or "json:" and a node of the drivers for files. Relative
// paths start in folder.
func parseName(name, folder string) (target, error) {
	t := target{path: name}
	var err error
	if rest, ok := strings.CutPrefix(name, "json:"); ok {
		t, err = parseJSON(rest)
	} else if rest, ok := strings.CutPrefix(name, "file:"); ok {
		t.path = rest
	} else if protocol, _, ok := strings.Cut(name, ":"); ok && !strings.Contains(protocol, "/") {
		err = fmt.Errorf("protocol %q: only files and block devices can be used", protocol)
	}
	if err == nil && (t.path == "" || strings.ContainsRune(t.path, 0)) {
		err = fmt.Errorf("it leads to no file")
	}
	if err != nil {
		return target{}, err
	}
	if !filepath.IsAbs(t.path) {
		t.path = filepath.Join(folder, t.path)
	}
	return t, nil
}

// Resolve is the path that a name found in an image in folder leads to.
func Resolve(name, folder string) (string, error) {
	t, err := parseName(name, folder)
	return t.path, err
}

// fileDrivers are the drivers of QEMU that open a path and no more.
var fileDrivers = []string{"file", "host_device"}

// parseJSON reads {"driver": FORMAT, "file": {"driver": "file", "filename":
// PATH}}, the format left out or not, and the same with dotted keys.
func parseJSON(text string) (target, error) {
	var node map[string]any
	if err := json.Unmarshal([]byte(text), &node); err != nil {
		return target{}, fmt.Errorf("its JSON: %w", err)
	}
	flat := map[string]string{}
	if err := flatten("", node, flat); err != nil {
		return target{}, err
	}
	t, prefix := target{}, ""
	if d := flat["driver"]; !slices.Contains(fileDrivers, d) {
		t.format, prefix = d, "file."
		delete(flat, "driver")
	}
	driver, ok := flat[prefix+"driver"]
	if ok && !slices.Contains(fileDrivers, driver) {
		return target{}, fmt.Errorf("driver %q: only files and block devices can be used", driver)
	}
	t.path = flat[prefix+"filename"]
	delete(flat, prefix+"driver")
	delete(flat, prefix+"filename")
	for key := range flat {
		return target{}, fmt.Errorf("option %q is not known", key)
	}
	return t, nil
}

// flatten turns nested objects of strings into dotted keys.
func flatten(prefix string, node map[string]any, flat map[string]string) error {
	for key, v := range node {
		switch v := v.(type) {
		case string:
			flat[prefix+key] = v
		case map[string]any:
			if strings.Count(prefix, ".") > 2 {
				return fmt.Errorf("its JSON is nested too deep")
			}
			if err := flatten(prefix+key+".", v, flat); err != nil {
				return err
			}
		default:
			return fmt.Errorf("option %q is not known", prefix+key)
		}
	}
	return nil
}
