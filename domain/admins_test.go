package domain

import "testing"

func TestAddAdmins(t *testing.T) {
	add := func(names ...string) AddAdmins { return AddAdmins{testApp, names} }
	four := []step{created(), did(day(1), Owner, add("a", "b", "c", "d"))}
	check(t, []row{
		{
			name: "all of the list", given: []step{created()},
			as: Owner, at: day(1), when: add("alice", "Bob_2"), then: events(AdminsAdded{about, []string{"alice", "Bob_2"}}),
		},
		{
			name: "names are told apart by case", given: []step{created(), did(day(1), Owner, add("alice"))},
			as: Owner, at: day(1), when: add("Alice"), then: events(AdminsAdded{about, []string{"Alice"}}),
		},
		{
			name: "those that are there already are not added again", given: []step{created(), did(day(1), Owner, add("alice"))},
			as: Owner, at: day(1), when: add("alice", "bob", FixedAdmin), then: events(AdminsAdded{about, []string{"bob"}}),
		},
		{name: "adding who is there is silence", given: four, as: Owner, at: day(1), when: add("a", FixedAdmin), then: silence},
		{name: "up to five, the fixed one included", given: four, as: Owner, at: day(1), when: add("e"), then: refused(AdminLimit)},
		{
			name: "or none of the list", given: []step{created(), did(day(1), Owner, add("a", "b", "c"))},
			as: Owner, at: day(1), when: add("d", "e"), then: refused(AdminLimit),
		},
		{
			name: "a name of another form refuses all", given: []step{created()},
			as: Owner, at: day(1), when: add("alice", "no spaces"), then: invalid("names invalid_name"),
		},
		{name: "an empty name", given: []step{created()}, as: Owner, at: day(1), when: add(""), then: invalid("names invalid_name")},
		{name: "nobody", given: []step{created()}, as: Owner, at: day(1), when: add(), then: invalid("names out_of_range")},
		{name: "twice in one list", given: []step{created()}, as: Owner, at: day(1), when: add("a", "a"), then: invalid("names duplicate")},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: add("a"), then: refused(AppDeletedAlready)},
		{name: "an unknown app", as: Owner, at: day(2), when: add("a"), then: refused(AppNotFound)},
	})
}

func TestRemoveAdmins(t *testing.T) {
	remove := func(names ...string) RemoveAdmins { return RemoveAdmins{testApp, names} }
	three := []step{created(), did(day(1), Owner, AddAdmins{testApp, []string{"a", "b", "c"}})}
	check(t, []row{
		{
			name: "all of the list", given: three,
			as: Owner, at: day(1), when: remove("c", "a"), then: events(AdminsRemoved{about, []string{"c", "a"}}),
		},
		{
			name: "those that are not there are passed over", given: three,
			as: Owner, at: day(1), when: remove("x", "b"), then: events(AdminsRemoved{about, []string{"b"}}),
		},
		{name: "removing who is not there is silence", given: three, as: Owner, at: day(1), when: remove("x"), then: silence},
		{name: "the fixed one stays, and so do the others", given: three, as: Owner, at: day(1), when: remove("a", FixedAdmin), then: refused(AdminFixed)},
		{name: "a name of another form", given: three, as: Owner, at: day(1), when: remove("a b"), then: invalid("names invalid_name")},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: remove("a"), then: refused(AppDeletedAlready)},
	})
}
