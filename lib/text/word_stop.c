/*
 * English stop words, contractions without their apostrophe.
 *
 * Question words are in the list although documents hold few of them: in a question they are grammar, yet their rarity in
 * documents would give them the weight of a name. Prepositions with a sense of their own (before, between, against) stay searchable: a
 * longer list measured no better. Sorted for the binary search. Pure function, safe from any thread.
 */
#include "text/word_stop.h"

#include <string.h>

/* Ascending by bytes; a test holds this. */
static const char *const stop_words[] = {
    "a", "aint", "am", "an", "and", "are", "arent", "as", "at", "be", "been", "being", "but", "by", "can", "cant", "could",
    "couldnt", "did", "didnt", "do", "does", "doesnt", "doing", "done", "dont", "for", "from", "had", "hadnt", "has", "hasnt",
    "have", "havent", "having", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "isnt", "it", "its", "me", "my",
    "no", "not", "of", "on", "or", "our", "she", "should", "shouldnt", "such", "that", "the", "their", "then", "there", "these",
    "they", "this", "those", "to", "was", "wasnt", "we", "were", "werent", "what", "whats", "when", "where", "which", "who",
    "whom", "whose", "why", "will", "with", "wont", "would", "wouldnt", "you", "your",
};

#define LONGEST 8

static int order(const char *word, size_t length, const char *stop)
{
    int found = strncmp(word, stop, length);
    return found != 0 ? found : (stop[length] == '\0' ? 0 : -1);
}

bool ql__word_is_stop(const char *word, size_t length)
{
    if (length == 0 || length > LONGEST) return false;
    size_t low = 0, high = sizeof stop_words / sizeof *stop_words;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int found = order(word, length, stop_words[mid]);
        if (found == 0) return true;
        if (found > 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}
