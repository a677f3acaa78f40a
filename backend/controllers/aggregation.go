package controllers

import (
	"context"
	"fmt"
	"sort"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/informer"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var clusterRoles = schema.GroupVersionResource{Group: rbacv1.GroupName, Version: "v1", Resource: "clusterroles"}

// newAggregation fills ClusterRoles that have an aggregation rule with the rules
// of the ClusterRoles that it selects.
func newAggregation(d Deps) func(context.Context) error {
	roles := informer.New(d.Shared, clusterRoles, "", func() *rbacv1.ClusterRole { return &rbacv1.ClusterRole{} })
	q := loop.NewQueue[string]("ClusterRoleAggregator")
	roles.OnChange(func(_, _ *rbacv1.ClusterRole) {
		// Any change may matter to any aggregated role; there are few of them.
		for _, r := range roles.List() {
			if r.AggregationRule != nil {
				q.Add(r.Name)
			}
		}
	})
	fill := func(ctx context.Context, name string) error {
		<-roles.Synced()
		r, ok := roles.Get("", name)
		if !ok || r.AggregationRule == nil {
			return nil
		}
		rules, err := aggregated(r, roles.List())
		if err != nil {
			return err
		}
		if equality.Semantic.DeepEqual(r.Rules, rules) {
			return nil
		}
		next := r.DeepCopy()
		next.Rules = rules
		return ignoreNotFound(d.Client.Update(ctx, clusterRoles, next))
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, roles.Run, func(ctx context.Context) error { return q.Work(ctx, 1, fill) })
	}
}

// aggregated gives the rules of the selected roles, selector by selector, roles
// by name, each rule once.
func aggregated(r *rbacv1.ClusterRole, all []*rbacv1.ClusterRole) ([]rbacv1.PolicyRule, error) {
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	rules := []rbacv1.PolicyRule{}
	for i := range r.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&r.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			return nil, fmt.Errorf("aggregation rule of %s: %w", r.Name, err)
		}
		for _, part := range all {
			if part.Name == r.Name || !selector.Matches(labels.Set(part.Labels)) {
				continue
			}
			for _, rule := range part.Rules {
				if !hasRule(rules, rule) {
					rules = append(rules, rule)
				}
			}
		}
	}
	return rules, nil
}

func hasRule(rules []rbacv1.PolicyRule, want rbacv1.PolicyRule) bool {
	for i := range rules {
		if equality.Semantic.DeepEqual(rules[i], want) {
			return true
		}
	}
	return false
}
