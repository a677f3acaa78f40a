package structured

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pilothouse/backend/authz"
	"pilothouse/backend/request"
)

var known = []string{"AlwaysAllow", "AlwaysDeny", "Node", "RBAC"}

// hookFile is a kubeconfig of a service that is not there.
func hookFile(t *testing.T) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "hook"), "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1/'}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n")
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func file(version, authorizers string) string {
	return "apiVersion: apiserver.config.k8s.io/" + version + "\nkind: AuthorizationConfiguration\nauthorizers:\n" + authorizers
}

func hook(path, change string) string {
	w := "- type: Webhook\n  name: hook\n  webhook:\n    timeout: 3s\n    subjectAccessReviewVersion: v1\n    matchConditionSubjectAccessReviewVersion: v1\n    failurePolicy: Deny\n    connectionInfo: {type: KubeConfigFile, kubeConfigFile: " + path + "}\n"
	if old, now, ok := strings.Cut(change, " => "); ok {
		return strings.Replace(w, old, now, 1)
	}
	return w + change
}

func TestAllVersionsAndDefaults(t *testing.T) {
	path := hookFile(t)
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		c, err := Parse([]byte(file(version, hook(path, "")+"- {type: RBAC, name: rbac}\n")), known)
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		w := c.Authorizers[0].Webhook
		if w.AuthorizedTTL.Duration != 5*time.Minute || w.UnauthorizedTTL.Duration != 30*time.Second || !w.CacheAuthorizedRequests || !w.CacheUnauthorizedRequests || c.Authorizers[1].Type != "RBAC" {
			t.Errorf("%s: %+v", version, c)
		}
	}
}

func TestFaultsAreOneLine(t *testing.T) {
	path := hookFile(t)
	check := func(want, content string) {
		t.Helper()
		_, err := Parse([]byte(content), known)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	check("an empty file", "")
	check("Kind", "a: b")
	check("got *apiserver.AuthenticationConfiguration", "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n")
	check(`unknown field "authorizers[0].nane"`, file("v1", "- {type: RBAC, nane: x}\n"))
	check("authorizers: Required value: at least one authorization mode must be defined", file("v1", "  []\n"))
	check(`authorizers[0].type: Unsupported value: "ABAC"`, file("v1", "- {type: ABAC, name: a}\n"))
	check(`authorizers[1].type: Duplicate value: "RBAC"`, file("v1", "- {type: RBAC, name: a}\n- {type: RBAC, name: b}\n"))
	check(`authorizers[1].name: Duplicate value: "a"`, file("v1", "- {type: RBAC, name: a}\n- {type: Node, name: a}\n"))
	check("authorizers[0].webhook: Required value", file("v1", "- {type: Webhook, name: a}\n"))
	for change, want := range map[string]string{
		"timeout: 3s => timeout: 31s": "must be > 0s and <= 30s",
		"Deny => Allow":               `failurePolicy: Unsupported value: "Allow"`,
		"KubeConfigFile, kubeConfigFile: " + path + " => InClusterConfig": "connectionInfo.type: Unsupported value",
		path + " => relative": "must be an absolute path",
		path + " => /nowhere": "error loading file",
		"    matchConditions: [{expression: 'request.user'}]\n":        "must evaluate to bool",
		"    matchConditions: [{expression: 'request.nobody == 1'}]\n": "undefined field 'nobody'",
	} {
		check(want, file("v1", hook(path, change)))
	}
}

// Authorizers of a test are seen by their reasons.
func kinds() map[string]func() (authz.Authorizer, error) {
	out := map[string]func() (authz.Authorizer, error){}
	for _, k := range known {
		out[k] = func() (authz.Authorizer, error) {
			if k == "Node" {
				return nil, errors.New("no nodes")
			}
			return authz.Func(func(context.Context, *authz.Attributes) (authz.Decision, string, error) {
				return authz.NoOpinion, k, nil
			}), nil
		}
	}
	return out
}

func TestTheFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authz")
	write(t, path, file("v1", "- {type: RBAC, name: rbac}\n"))
	c, err := Load(path, known)
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{Config: c, Path: path, Kinds: kinds(), Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	check := func(content string, decision authz.Decision, reason string, fault bool, user string) {
		t.Helper()
		if content != "" {
			write(t, path, content)
		}
		d.Refresh()
		got, why, err := d.Authorize(context.Background(), &authz.Attributes{User: &request.User{Name: user}, Verb: "get", Path: "/x"})
		if got != decision || why != reason || (err != nil) != fault {
			t.Errorf("%v %q %v", got, why, err)
		}
	}
	check("", authz.NoOpinion, "RBAC", false, "a")
	check(file("v1", "- {type: AlwaysDeny, name: d}\n- {type: RBAC, name: rbac}\n"), authz.NoOpinion, "AlwaysDeny\nRBAC", false, "a")
	check("- rubbish", authz.NoOpinion, "AlwaysDeny\nRBAC", false, "a")
	check(file("v1", "- {type: AlwaysDeny, name: d}\n"), authz.NoOpinion, "AlwaysDeny\nRBAC", false, "a") // without RBAC
	check(file("v1", "- {type: Node, name: n}\n- {type: RBAC, name: rbac}\n"), authz.NoOpinion, "AlwaysDeny\nRBAC", false, "a")
	hooked := hook(hookFile(t), "    matchConditions: [{expression: \"request.user != 'b' && has(request.nonResourceAttributes)\"}, {expression: \"request.extra['k'] == []\"}]\n")
	check(file("v1", hooked+"- {type: RBAC, name: rbac}\n"), authz.NoOpinion, "RBAC", false, "b") // not the webhook's
	check("", authz.Deny, "", true, "a")                                                          // a condition fails
	check(file("v1", hook(hookFile(t), "")+"- {type: RBAC, name: rbac}\n"), authz.Deny, "", true, "b")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("", authz.Deny, "", true, "b")
}
