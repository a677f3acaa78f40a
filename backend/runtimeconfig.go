package backend

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"pilothouse/backend/registry"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// enabled leaves out the versions of resources that --runtime-config turns off.
// Its keys are kube-apiserver's: api/all, api/ga, api/beta, api/alpha,
// GROUP/VERSION (v1 or api/v1 for the core group) and GROUP/VERSION/RESOURCE;
// the longer key wins. Objects stay in storage, and a resource with another
// version that is on shows them in that one.
func enabled(all []registry.Resource, config map[string]string) ([]registry.Resource, error) {
	if len(config) == 0 {
		return all, nil
	}
	if value, ok := config["api/v1"]; ok {
		config = maps.Clone(config)
		config["v1"] = value
		delete(config, "api/v1")
	}
	if err := checkRuntimeConfig(all, config); err != nil {
		return nil, err
	}
	var on []registry.Resource
	for _, r := range all {
		versions := slices.Clone(r.Versions)
		versions = slices.DeleteFunc(versions, func(v registry.Version) bool { return isOff(&r, v.Name, config) })
		if len(versions) == 0 {
			continue
		}
		keepStorageVersion(&r, versions)
		r.Versions = versions
		on = append(on, r)
	}
	return on, nil
}

// keepStorageVersion keeps a storage version that is no longer served.
func keepStorageVersion(r *registry.Resource, versions []registry.Version) {
	hub := r.Hub()
	if hub == nil || r.Stored != nil || slices.ContainsFunc(versions, func(v registry.Version) bool { return v.Name == hub.Name }) {
		return
	}
	kept := *hub
	r.Stored = &kept
	if r.StoredAs == nil {
		r.StoredAs = &schema.GroupResource{Group: r.Group, Resource: r.Name}
	}
}

func isOff(r *registry.Resource, v string, config map[string]string) bool {
	gv := groupVersionKey(r.Group, v)
	for _, key := range []string{gv + "/" + r.Name, gv, stabilityKey(v), "api/all"} {
		if value, ok := config[key]; ok {
			return value == "false"
		}
	}
	return false
}

func groupVersionKey(group, v string) string {
	if group == "" {
		return "v1"
	}
	return group + "/" + v
}

func stabilityKey(v string) string {
	switch {
	case strings.Contains(v, "alpha"):
		return "api/alpha"
	case strings.Contains(v, "beta"):
		return "api/beta"
	}
	return "api/ga"
}

// checkRuntimeConfig finds keys that mean nothing here, or too much.
func checkRuntimeConfig(all []registry.Resource, config map[string]string) error {
	known := map[string]bool{"api/all": true, "api/ga": true, "api/beta": true, "api/alpha": true}
	for i := range all {
		for _, v := range all[i].Versions {
			gv := groupVersionKey(all[i].Group, v.Name)
			known[gv], known[gv+"/"+all[i].Name] = true, true
		}
	}
	for key, value := range config {
		switch {
		case known[key]:
		case value != "false" && isVersionKey(key):
			return fmt.Errorf("--runtime-config: %s is not served by this server", key)
		case !isVersionKey(key):
			return fmt.Errorf("--runtime-config: %q is no API version such as apps/v1", key)
		}
	}
	if config["v1"] == "false" || config["api/ga"] == "false" && config["v1"] != "true" || config["api/all"] == "false" && config["api/ga"] != "true" && config["v1"] != "true" {
		return fmt.Errorf("--runtime-config: the core group's v1 cannot be off")
	}
	return nil
}

var versionName = regexp.MustCompile(`^v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?$`)

// isVersionKey tells a key of the form GROUP/VERSION or GROUP/VERSION/RESOURCE.
func isVersionKey(key string) bool {
	parts := strings.Split(key, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return false
	}
	return versionName.MatchString(parts[1])
}
