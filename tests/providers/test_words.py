from hypothesis import given
from hypothesis import strategies as st

from aywa.providers.offline.words import distance, similarity, words_of

WORDS = st.lists(st.sampled_from("abc"), max_size=6)


def test_words_are_lower_case_and_digits_are_spoken() -> None:
    assert words_of("It’s 42, isn't it?") == ("it's", "four", "two", "isn't", "it")
    assert words_of("'quoted' … _x_") == ("quoted", "x")


def test_distance_counts_inserted_removed_and_replaced_words() -> None:
    assert distance(["a", "b", "c"], ["a", "x", "c", "d"]) == 2
    assert distance([], ["a", "b"]) == 2


@given(WORDS, WORDS)
def test_similarity_is_symmetric_and_one_only_for_equals(left: list[str], right: list[str]) -> None:
    assert similarity(left, right) == similarity(right, left)
    assert 0.0 <= similarity(left, right) <= 1.0
    if left or right:
        assert (similarity(left, right) == 1.0) == (left == right)
