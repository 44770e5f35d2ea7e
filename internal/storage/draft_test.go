// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestC38_DraftShowsNothingBeforePublish(t *testing.T) {
	for name, there := range map[string]bool{"new": false, "in place of another": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			if there {
				if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, publish := range []bool{false, true} {
				d, err := NewDraft(path, there)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := d.WriteAt([]byte("fresh"), 0); err != nil {
					t.Fatal(err)
				}
				if b, _ := os.ReadFile(path); string(b) != map[bool]string{true: "old", false: ""}[there] {
					t.Errorf("meanwhile it holds %q", b)
				}
				if publish {
					err = d.Publish()
				}
				if err := errors.Join(err, d.Close()); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(path)
				if publish && string(b) != "fresh" || !publish && there != (err == nil) {
					t.Errorf("published %v: it holds %q, %v", publish, b, err)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestC38_DraftRefuses: what others have, use or make meanwhile stays theirs.
func TestC38_DraftRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	d, err := NewDraft(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Publish(); !errors.Is(err, ErrExists) {
		t.Errorf("published over a file that came meanwhile: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDraft(path, false); !errors.Is(err, ErrExists) {
		t.Errorf("without force: %v", err)
	}
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := NewDraft(path, true); !errors.Is(err, ErrInUse) {
		t.Errorf("of a file in use: %v", err)
	}
	if _, err := NewDraft(path, true, f); !errors.Is(err, ErrSource) {
		t.Errorf("of its own source: %v", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDraft(filepath.Join(dir, "link"), true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("through a link that leads nowhere: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("it holds %q", b)
	}
}

// TestC38_DraftWithAName is for file systems that have no files without one.
func TestC38_DraftWithAName(t *testing.T) {
	for _, there := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		if there {
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d, err := NewDraft(path, there)
		if err != nil {
			t.Fatal(err)
		}
		other := d.otherName()
		if err := d.takeName(other); err != nil {
			t.Fatal(err)
		}
		d.temporary = other
		if err := errors.Join(d.Publish(), d.Close()); err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "f" {
			t.Errorf("left: %v", left)
		}
	}
}

// A process that is interrupted leaves no draft, but what is published stays.
func TestAbandonedDraftsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	var drafts []*Draft
	for _, name := range []string{"a", "b"} {
		d, err := NewDraft(filepath.Join(dir, name), false)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		names.Lock()
		if d.temporary == "" { // as where a file has a name from the start
			other := d.otherName()
			if err := d.takeName(other); err != nil {
				t.Fatal(err)
			}
			d.setTemporary(other)
		}
		names.Unlock()
		drafts = append(drafts, d)
	}
	if err := drafts[1].Publish(); err != nil {
		t.Fatal(err)
	}
	if err := drafts[1].Close(); err != nil {
		t.Fatal(err)
	}
	names.Lock()
	removeTemporaries()
	names.Unlock()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "b" {
		t.Errorf("left: %v, %v", left, err)
	}
}
