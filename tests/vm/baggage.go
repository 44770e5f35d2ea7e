// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed guest/init guest/ports.sh guest/session guest/session.service guest/watch
var guestScripts embed.FS

// pack makes the image of what the run takes along, in work: the files asked for, and in .vm the
// guest's scripts and what they are to do.
func pack(work, mark string, c Config, argv []string) (image string, err error) {
	root := filepath.Join(work, "baggage")
	control := filepath.Join(root, ".vm")
	if err := os.MkdirAll(control, 0o755); err != nil {
		return "", err
	}
	for _, file := range c.Files {
		if err := take(root, file); err != nil {
			return "", fmt.Errorf("taking %s along: %w", file, err)
		}
	}
	if err := writeScripts(control); err != nil {
		return "", err
	}
	orders := map[string]string{
		"argv":    terminated(argv),
		"environ": terminated(c.Env),
		"boot":    string(c.Boot),
		"mark":    mark,
	}
	for name, text := range orders {
		if err := os.WriteFile(filepath.Join(control, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return root + ".erofs", makeErofs(root+".erofs", root)
}

// terminated joins words that may hold anything but NUL, each followed by one.
func terminated(words []string) string {
	var b strings.Builder
	for _, word := range words {
		b.WriteString(word + "\x00")
	}
	return b.String()
}

func writeScripts(dir string) error {
	return fs.WalkDir(guestScripts, "guest", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := guestScripts.ReadFile(path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o755)
		if filepath.Ext(path) == ".service" {
			mode = 0o644 // systemd complains about executable units
		}
		return os.WriteFile(filepath.Join(dir, entry.Name()), text, mode)
	})
}

// take copies "PATH" or "PATH:NAME" below root.
func take(root, file string) error {
	path, name, named := strings.Cut(file, ":")
	if !named {
		name = filepath.Base(path)
	}
	if !filepath.IsLocal(name) || name == "." {
		return fmt.Errorf("%q can't be a name below /opt/zqublkd; say PATH:NAME", name)
	}
	to := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return command("cp", "-rL", "--preserve=mode,timestamps", "--reflink=auto", "--", path, to)
}

func makeErofs(image, root string) error {
	return command("mkfs.erofs", "--quiet", "--all-root", image, root)
}

// command runs a tool of the host; its words are in the error.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
