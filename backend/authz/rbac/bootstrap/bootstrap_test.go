package bootstrap

import "testing"

func TestDefaultPolicyReadsAndRefersToItself(t *testing.T) {
	p, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]bool{}
	for _, r := range p.ClusterRoles {
		if roles[r.Name] {
			t.Errorf("ClusterRole %s stands twice", r.Name)
		}
		roles[r.Name] = true
		if len(r.Rules) == 0 && r.AggregationRule == nil {
			t.Errorf("ClusterRole %s allows nothing", r.Name)
		}
	}
	for _, r := range p.Roles {
		roles[r.Namespace+"/"+r.Name] = true
	}
	for _, b := range p.ClusterRoleBindings {
		if !roles[b.RoleRef.Name] {
			t.Errorf("ClusterRoleBinding %s names %s, which is not there", b.Name, b.RoleRef.Name)
		}
	}
	for _, b := range p.RoleBindings {
		name := b.RoleRef.Name
		if b.RoleRef.Kind == "Role" {
			name = b.Namespace + "/" + name
		}
		if !roles[name] {
			t.Errorf("RoleBinding %s names %s, which is not there", b.Name, name)
		}
	}
	if !roles["cluster-admin"] || len(p.ClusterRoleBindings) < 40 {
		t.Error("the policy is not whole")
	}
}

func TestFaultsNameTheLine(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parse(text); err == nil || err.Error() != want {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
	}
	f("    get core pods", "policy line 1: nothing to belong to")
	f("clusterrole a\n    get", `policy line 2: "get" is no rule`)
	f("roll a b", `policy line 1: unknown object "roll a b"`)
	f("clusterbinding a b\n    robot x", `policy line 2: "robot x" is no subject`)
}
