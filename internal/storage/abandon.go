package storage

import "os"

// Abandon removes the file at path, of which a part only could be written. A
// block device stays.
func Abandon(path string) error {
	s, err := os.Lstat(path)
	if err != nil || !s.Mode().IsRegular() {
		return err
	}
	return os.Remove(path)
}
