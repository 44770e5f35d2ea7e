// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zqublkd/internal/storage"
)

// TestC28_BackingFilesToo: where an image records no format, what bears the mark
// of one that can't be read is not taken for raw.
func TestC28_BackingFilesToo(t *testing.T) {
	for mark, want := range map[string]string{"KDMV": "VMDK", "plain bytes": ""} {
		path := filepath.Join(t.TempDir(), "base")
		if err := os.WriteFile(path, append([]byte(mark), make([]byte, 4096)...), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := storage.Open(path, storage.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		format, err := formatOf(f, "", "")
		if want == "" && (err != nil || format != "raw") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v", mark, format, err)
		}
		if format, err := formatOf(f, "raw", ""); err != nil || format != "raw" {
			t.Errorf("%q recorded as raw: %q, %v", mark, format, err)
		}
	}
}
