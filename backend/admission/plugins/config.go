package plugins

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// configuration is an AdmissionConfiguration of apiserver.config.k8s.io/v1.
type configuration struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Plugins    []struct {
		Name string `json:"name"`
		// Path is a file with the plugin's settings, Configuration the settings
		// themselves.
		Path          string                `json:"path,omitempty"`
		Configuration *runtime.RawExtension `json:"configuration,omitempty"`
	} `json:"plugins"`
}

// readConfig gives the settings by plugin that a file holds or points to. An
// empty path gives none.
func readConfig(path string) (map[string][]byte, error) {
	settings := map[string][]byte{}
	if path == "" {
		return settings, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c configuration
	if err := yaml.UnmarshalStrict(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case c.Kind != "AdmissionConfiguration":
		return nil, fmt.Errorf("%s: kind %q is no AdmissionConfiguration", path, c.Kind)
	case c.APIVersion != "apiserver.config.k8s.io/v1" && c.APIVersion != "apiserver.k8s.io/v1alpha1":
		return nil, fmt.Errorf("%s: apiVersion %q is none of apiserver.config.k8s.io/v1 and apiserver.k8s.io/v1alpha1", path, c.APIVersion)
	}
	for _, p := range c.Plugins {
		if p.Configuration != nil {
			settings[p.Name] = p.Configuration.Raw
			continue
		}
		if p.Path == "" {
			continue
		}
		file := p.Path
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(path), file)
		}
		if settings[p.Name], err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("%s: plugin %s: %w", path, p.Name, err)
		}
	}
	return settings, nil
}

// config gives the settings of a plugin, nil when it has none.
func (d *deps) config(plugin string) []byte { return d.settings[plugin] }
