package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// translations writes the other catalogues of a folder anew, sorted, one message
// a line. It reads them line by line, so that a merge that lost a comma or kept a
// line twice does no harm: the last one counts.
func translations(english string) error {
	files, err := filepath.Glob(filepath.Join(filepath.Dir(english), "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Base(file) == filepath.Base(english) {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		table, err := entries(string(raw))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if raw, err = encode(table); err != nil {
			return err
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(file+".gz", compressed(raw), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compressed is what the program holds of a catalogue: a third.
func compressed(raw []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("BUG: gzip into memory: " + err.Error())
	}
	return b.Bytes()
}

func entries(text string) (map[string]any, error) {
	table := map[string]any{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(strings.TrimSpace(line), ",")
		if line == "{" || line == "}" || line == "" {
			continue
		}
		if err := json.Unmarshal([]byte("{"+line+"}"), &table); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return table, nil
}
