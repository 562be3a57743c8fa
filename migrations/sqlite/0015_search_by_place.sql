-- The index of words stays as it is: FTS5 has no pieces, and finds the place among its words.
select 1;
